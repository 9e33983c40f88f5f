"""Runs: the configuration of a run is frozen by its first job."""

import json

import pytest

from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact, Spec
from jobs.storage.layout import Kind
from jobs.storage.manifest import Manifest
from jobs.storage.store import Store


def test_the_first_job_of_a_run_freezes_its_configuration(store: Store) -> None:
    runs.freeze(store, "main", {"catalogue": "main", "recipe": "fast"})
    runs.freeze(store, "main", {"recipe": "fast", "catalogue": "main"})
    assert runs.read_config(store, "main") == {"catalogue": "main", "recipe": "fast"}
    assert json.loads(store.read("runs/main/run.json") or b"") == {"catalogue": "main", "recipe": "fast"}


def test_another_configuration_is_refused_with_each_difference(store: Store) -> None:
    runs.freeze(store, "main", {"catalogue": "main", "recipe": "fast"})
    with pytest.raises(ConfigurationError, match="catalogue was main, now other; seed was absent, now 13") as caught:
        runs.freeze(store, "main", {"catalogue": "other", "recipe": "fast", "seed": 13})
    assert "delete this one with `skuscribe delete --path runs/main`" in str(caught.value)
    assert runs.read_config(store, "main") == {"catalogue": "main", "recipe": "fast"}


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff"])
def test_a_damaged_configuration_is_bad_input_that_is_named(store: Store, data: bytes) -> None:
    store.write("runs/main/run.json", data)
    with pytest.raises(InputError, match=r"/runs/main/run\.json is not the configuration of a run"):
        runs.read_config(store, "main")


def test_what_does_not_exist_yet_names_the_command_that_makes_it(store: Store) -> None:
    with pytest.raises(NotReadyError, match="`skuscribe train --run main` starts it"):
        runs.read_config(store, "main")
    with pytest.raises(NotReadyError, match="`skuscribe train --run main --index 3` makes it"):
        runs.trained_shard(store, "main", 3)
    with pytest.raises(NotReadyError, match="`skuscribe fetch-model --model base` makes it"):
        runs.base_model(store, "base")


def trained(store: Store, parent: str | None, seed: int) -> Artifact:
    """Return a trained shard, which is not in the store. `parent`: the digest that it records, None for none."""
    inputs = {} if parent is None else {"parent": parent}
    return Artifact(store, "", Manifest(Kind.TRAINED_SHARD, {"seed": seed}, inputs, {}, {}, ""))


def chain(store: Store, shards: int) -> dict[int, Artifact]:
    models: dict[int, Artifact] = {}
    for shard in range(shards):
        models[shard] = trained(store, models[shard - 1].digest if shard else "base", seed=1)
    return models


def test_a_chain_of_models_is_outdated_from_the_shard_after_one_that_was_trained_again(store: Store) -> None:
    models = chain(store, 5)
    assert runs.outdated_shards(models, {}, {}) == []
    assert runs.outdated_shards(models | {2: trained(store, models[1].digest, seed=2)}, {}, {}) == [3, 4]
    assert runs.outdated_shards(models | {4: trained(store, models[3].digest, seed=2)}, {}, {}) == []


def test_a_shard_without_a_recorded_parent_or_a_previous_shard_is_not_outdated(store: Store) -> None:
    models = chain(store, 3)
    del models[1]
    assert runs.outdated_shards(models, {}, {}) == []
    assert runs.outdated_shards({0: trained(store, None, seed=1), 1: trained(store, None, seed=1)}, {}, {}) == []


def test_a_round_is_outdated_if_the_merged_model_before_it_changed(store: Store) -> None:
    config, base = {"shards_at_once": 2}, "f" * 64
    merged = {1: trained(store, base, seed=1)}
    merged[3] = trained(store, merged[1].digest, seed=1)
    parents = [base, base, merged[1].digest, merged[1].digest, merged[3].digest]
    models = {shard: trained(store, parent, seed=1) for shard, parent in enumerate(parents)}
    assert runs.outdated_shards(models, merged, config) == []
    assert runs.outdated_shards(models | {0: trained(store, base, seed=2)}, merged, config) == []
    assert runs.outdated_shards(models, merged | {1: trained(store, base, seed=2)}, config) == [2, 3, 4]
    assert runs.outdated_shards(models | {3: trained(store, base, seed=1)}, merged, config) == [3, 4]
    assert "`shard-00003` was not trained from the current merged model after `shard-00001`" in runs.describe_outdated(
        "main", [3, 4], config
    )


def merged_from(store: Store, *trained_shards: tuple[int, Artifact]) -> Artifact:
    """Return a merged model, which is not in the store."""
    inputs = {layout.trained_shard_name(shard): model.digest for shard, model in trained_shards}
    return Artifact(store, "", Manifest(Kind.MERGED_MODEL, {}, inputs, {}, {}, ""))


def test_a_merged_model_is_outdated_until_the_current_models_of_its_shards_are_merged(store: Store) -> None:
    config = {"shards_at_once": 2}
    models = {shard: trained(store, None, seed=shard) for shard in range(3)}
    merged = {1: merged_from(store, (0, models[0]), (1, models[1])), 2: merged_from(store, (2, models[2]))}
    assert runs.outdated_merges(models, merged, config) == []
    again = models | {0: trained(store, None, seed=9)}
    assert runs.outdated_merges(again, merged, config) == [1]
    assert runs.outdated_merges(again, merged | {1: merged_from(store, (0, again[0]), (1, again[1]))}, config) == []
    del models[0]
    assert runs.outdated_merges(models, merged, config) == []


def test_a_merged_model_of_fewer_shards_is_not_outdated_after_its_round_was_merged_with_more(store: Store) -> None:
    models = {shard: trained(store, None, seed=shard) for shard in (2, 3)}
    merged = {2: merged_from(store, (2, trained(store, None, seed=9))), 3: merged_from(store, *models.items())}
    assert runs.outdated_merges(models, merged, {"shards_at_once": 2}) == []


def test_the_sentence_about_outdated_merged_models_says_how_to_merge_them_again() -> None:
    assert runs.describe_outdated_merges("main", [3]) == (
        "`merged/shard-00003` was not merged from the current models of the shards: `skuscribe train --run main` with the settings of "
        "the run merges them again"
    )
    assert runs.describe_outdated_merges("main", [1, 3]).startswith(
        "`merged/shard-00001`, `merged/shard-00003` were not"
    )


def test_only_a_run_with_several_shards_at_once_has_merged_models(store: Store) -> None:
    model = artifact.make_once(
        Spec(store, layout.merged_model_path("main", 1), Kind.MERGED_MODEL, {}, {}), lambda _: {}
    )
    assert runs.merged_models(store, "main", {"shards_at_once": 2}, 3) == {1: model}
    assert runs.merged_models(store, "main", {}, 3) == {}
    assert runs.model_after(store, "main", {"shards_at_once": 2}, 1) == model
    with pytest.raises(
        NotReadyError, match="merged/shard-00002 does not exist yet: `skuscribe train --run main` makes it"
    ):
        runs.model_after(store, "main", {"shards_at_once": 2}, 2)


def test_the_sentence_about_outdated_shards_says_how_to_train_them_again() -> None:
    assert runs.describe_outdated("main", [3], {}) == (
        "`shard-00003` was not trained from the current model of `shard-00002`: remove runs/main/shard-00003/manifest.json, and "
        "`skuscribe train --run main` with the settings of the run trains it again"
    )
    several = runs.describe_outdated("main", [3, 4, 5], {})
    assert (
        "so `shard-00003` to `shard-00005` are outdated: remove manifest.json of each of them in runs/main, and"
        in several
    )
