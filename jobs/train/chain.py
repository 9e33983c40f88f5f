"""The chain of models of a run: what all its shards have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.storage import layout
from jobs.storage.artifact import Artifact, Spec
from jobs.storage.catalogue import Catalogue
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from jobs.train.recipes import Recipe

ROUGE_MAX_TOKENS = 128
"""Maximum length of the answers to test rows that ROUGE is computed from. Persisted in manifests and in `run.json`."""


@dataclass(frozen=True)
class RetrievalConfig:
    """Which prompts have retrieved neighbours: a fraction `share` of them, drawn with `seed`, `neighbours` products each.

    `encoder`: the sentence encoder of the index. The names of the fields are persisted in manifests.
    """

    share: float
    neighbours: int
    encoder: str
    seed: int


@dataclass(frozen=True)
class Chain:
    """A run. `catalogue` is the name of `products`, `source` the origin of the base model.

    `config` holds the settings that determine the weights, `inputs` the digests of base model and catalogue. `retrieval` is
    None for prompts without neighbours. `counterfactual_share`: fraction of the training rows with a counterfactual one. After
    each epoch, ROUGE is computed on `rouge_rows` test rows.
    """

    store: Store
    run: str
    catalogue: str
    products: Catalogue
    base: Artifact
    source: str
    recipe: Recipe
    seed: int
    retrieval: RetrievalConfig | None
    counterfactual_share: float
    rouge_rows: int
    config: Mapping[str, Any]
    inputs: Mapping[str, str]

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """What determines the weights, except base model and rows, as the model card shows it."""
        added = {"counterfactual_share": self.counterfactual_share} if self.counterfactual_share else {}
        return {**vars(self.recipe), "seed": self.seed, **added}

    def spec(self, shard: int) -> Spec:
        """Return the artifact of a trained shard."""
        path = layout.trained_shard_path(self.run, shard)
        config = {**self.config, "shard": shard}
        return Spec(self.store, path, Kind.TRAINED_SHARD, config, self.inputs, added_inputs=("parent", "neighbours"))
