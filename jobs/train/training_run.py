"""A run of trainings, and the options with which it is executed. Needs no torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
class RoundsConfig:
    """How many shards are trained from the same model, and the outer optimizer that merges their models.

    In a chain, `shards_at_once` is 1 and nothing is merged. The names of the fields are persisted in manifests and in `run.json`.
    """

    shards_at_once: int
    outer_learning_rate: float
    outer_momentum: float

    @property
    def recorded(self) -> dict[str, Any]:
        """What determines the merged weights, as manifests record it. Empty in a chain."""
        return asdict(self) if self.shards_at_once > 1 else {}


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """A run: what the trainings of all its shards have in common.

    `base_model_source`: where the base model comes from. `retrieval` is None for prompts without neighbours.
    `counterfactual_share`: fraction of the training rows with a counterfactual one. After each epoch, ROUGE is computed on
    `rouge_rows` test rows. `rounds`: how many shards start from the same model. `config` holds the settings that determine the
    weights, `inputs` the digests of base model and catalogue.
    """

    store: Store
    name: str
    catalogue_name: str
    products: Catalogue
    base_model: Artifact
    base_model_source: str
    recipe: Recipe
    seed: int
    retrieval: RetrievalConfig | None
    counterfactual_share: float
    rouge_rows: int
    rounds: RoundsConfig
    config: Mapping[str, Any]
    inputs: Mapping[str, str]

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """What determines the weights, except base model and rows, as the model card shows it."""
        added: dict[str, Any] = {"counterfactual_share": self.counterfactual_share} if self.counterfactual_share else {}
        if self.retrieval:
            added |= {
                "retrieval_share": self.retrieval.share,
                "neighbours": self.retrieval.neighbours,
                "encoder": self.retrieval.encoder,
            }
        return {**vars(self.recipe), "seed": self.seed, **added, **self.rounds.recorded}

    def spec(self, shard: int) -> Spec:
        """Return the artifact of a trained shard."""
        path = layout.trained_shard_path(self.name, shard)
        config = {**self.config, "shard": shard}
        return Spec(self.store, path, Kind.TRAINED_SHARD, config, self.inputs, added_inputs=("parent", "neighbours"))


@dataclass(frozen=True, kw_only=True)
class RuntimeOptions:
    """How a training is executed, without an effect on its weights.

    `save_every_seconds`: time between two checkpoints. `stall_seconds`: the training ends after this time without a step; 0 for
    no limit. `require_gpu`: whether a missing GPU is an error.
    """

    save_every_seconds: float
    stall_seconds: float
    require_gpu: bool
