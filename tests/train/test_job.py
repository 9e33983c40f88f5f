import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.index import job as index
from jobs.index import settings as index_settings
from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact
from jobs.storage.store import Store
from jobs.train import job as train
from jobs.train import settings as train_settings
from tests.factories import write_catalogue, write_tiny_model

QUICK = {"epochs": 2, "target_tokens_per_batch": 256, "rouge_rows": 2, "rouge_max_tokens": 8}
WEIGHTS = "model/model.safetensors"


def run(store: Store, **settings: Any) -> None:
    train.run(train_settings.Settings.model_validate({"store": store.url, **QUICK, **settings}))


def run_elsewhere(*words: str) -> list[int]:
    """How the attempts of `tests.kill_often` ended."""
    flags = [part for name, value in QUICK.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "tests.kill_often", *words[:-1], *words[-1].split(), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return [int(code) for code in json.loads(done.stdout)]


def weights(store: Store, run_name: str, shard: int = 0) -> str:
    return runs.trained_shard(store, run_name, shard).manifest.files[WEIGHTS].sha256


def metrics(trained: Artifact, folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in trained.fetch(layout.METRICS_FILE, folder).read_text().splitlines()]


@pytest.fixture
def ready(store: Store) -> Store:
    """A catalogue of two shards and a tiny base model."""
    write_catalogue(store, shards=2, rows_per_shard=80)
    write_tiny_model(store)
    return store


def test_all_shards_are_trained_in_a_chain_and_the_child_loads_in_plain_transformers(
    ready: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    run(ready)
    first, second = (runs.trained_shard(ready, "main", shard) for shard in (0, 1))
    assert first.manifest.inputs["parent"] == runs.base_model(ready, "base").digest
    assert second.manifest.inputs["parent"] == first.digest

    folder = second.fetch_all(tmp_path / "second", layout.MODEL_PREFIX)
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.lm_head.weight is not model.shared.weight
    base = runs.base_model(ready, "base").fetch("config.json", tmp_path)
    assert json.loads((folder / "config.json").read_text()) == json.loads(base.read_text())
    assert json.loads(base.read_text())["tie_word_embeddings"] is False
    assert (folder / "generation_config.json").is_file()
    assert "# main: after shard 1" in (folder / "README.md").read_text()
    assert (
        model.generate(**tokenizer("Please describe this product: Red Lamp", return_tensors="pt"), max_new_tokens=4)
        is not None
    )

    records = metrics(second, tmp_path)
    assert [(record["shard"], record["epoch"]) for record in records] == [(1, 1), (1, 2)]
    assert records[1]["validation_loss"] < metrics(first, tmp_path)[0]["validation_loss"]
    assert records[1]["training_loss"] < records[0]["training_loss"]
    assert all(0 <= records[1][name] <= 1 for name in ("rouge1", "rouge2", "rougeL", "rougeLsum", "padding_efficiency"))
    assert records[1]["examples_per_second"] > 0
    assert records[1]["model_flops_utilisation"] is None
    figures = second.manifest.figures
    assert (figures["train_rows"], figures["test_rows"], figures["epochs"], figures["gpu"]) == (72, 8, 2, None)
    assert figures["seconds"] >= sum(record["seconds"] for record in records)
    assert "{'train_runtime'" not in capsys.readouterr().out

    run(ready)  # again: all is done
    assert runs.trained_shard(ready, "main", 1).manifest.created == second.manifest.created


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many threads as `kill_often` uses: with another number, sums are rounded otherwise."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_killed_at_any_moment_by_either_signal_the_weights_come_out_equal_bit_for_bit(ready: Store) -> None:
    run(ready, index=0, run="undisturbed", save_every_seconds=1000)
    endings = run_elsewhere("7", "train --run disturbed --index 0 --save-every-seconds 0.4")
    assert endings[-1] == 0
    assert set(endings) <= {0, -9, -15, 143}
    assert len(endings) > 3, "it was hardly disturbed"
    assert weights(ready, "disturbed") == weights(ready, "undisturbed")
    assert not list(ready.objects("runs/disturbed/shard-00000/state/"))


def test_two_writers_of_one_shard_both_end_well_and_leave_one_artifact(ready: Store) -> None:
    assert run_elsewhere("twins", "train --index 0 --save-every-seconds 0.4") == [0, 0]
    trained = runs.trained_shard(ready, "main", 0)
    found = {item.key for item in ready.objects(f"{trained.path}/")}
    assert found == {f"{trained.path}/{item.key}" for item in trained.manifest.files.values()} | {
        f"{trained.path}/manifest.json"
    }


def test_both_recipes_accumulate_batches_and_end_with_weights_of_their_own(ready: Store) -> None:
    for name, recipe in (("fast", "fast"), ("reference", "reference")):
        run(
            ready, index=0, run=name, recipe=recipe, gradient_accumulation=2, target_tokens_per_batch=None, batch_rows=4
        )
    assert weights(ready, "fast") != weights(ready, "reference")


def test_a_shard_whose_parent_is_not_trained_waits_for_it(ready: Store) -> None:
    with pytest.raises(NotReadyError, match="train --run main --index 0"):
        run(ready, index=1)


def test_a_missing_base_model_or_catalogue_is_waited_for(store: Store) -> None:
    with pytest.raises(NotReadyError, match="prepare --catalogue main"):
        run(store)
    write_catalogue(store)
    with pytest.raises(NotReadyError, match="fetch-model --model base"):
        run(store)


def test_a_parent_of_another_base_model_is_a_configuration_error(ready: Store) -> None:
    with artifact.draft(
        ready, layout.trained_shard_path("main", 0), layout.Kind.TRAINED_SHARD, {}, {"base_model": "another"}
    ) as draft:
        draft.commit({})
    with pytest.raises(ConfigurationError, match="from another base model"):
        run(ready, index=1)


def test_a_run_does_not_change_its_recipe_on_the_way(ready: Store) -> None:
    runs.freeze(ready, "main", {"recipe": "reference"})
    with pytest.raises(ConfigurationError, match="recipe was 'reference', now 'fast'"):
        run(ready, index=0)


def test_an_index_beyond_the_catalogue_is_a_configuration_error(ready: Store) -> None:
    with pytest.raises(ConfigurationError, match="has 2 shards, 0 to 1"):
        run(ready, index=2)


def test_two_ways_to_fill_batches_are_refused_with_all_other_mistakes() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        train_settings.Settings.model_validate({"batch_rows": 8, "target_tokens_per_batch": 512})


def test_a_shard_without_training_rows_is_a_bad_input(store: Store) -> None:
    write_catalogue(store, rows_per_shard=1)  # its one row is a test row
    write_catalogue(store, name="other")
    write_tiny_model(store, catalogue_name="other")
    with pytest.raises(InputError, match="no training rows"):
        run(store)


def test_a_loss_that_is_no_number_ends_the_shard_as_a_bad_input_and_saves_nothing(ready: Store, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = runs.base_model(ready, "base").fetch_all(tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file(
        weights | {"lm_head.weight": weights["lm_head.weight"] * 1e38}, folder / "model.safetensors", {"format": "pt"}
    )
    with artifact.draft(ready, layout.model_path("huge"), layout.Kind.MODEL, {}, {}) as draft:
        draft.add_folder(folder)
        draft.commit({})
    with pytest.raises(InputError, match="training loss of shard 0 became"):
        run(ready, index=0, model="huge", save_every_seconds=0)
    assert not list(ready.objects("runs/main/shard-00000/"))


@pytest.mark.usefixtures("one_thread")
def test_a_training_that_shows_neighbours_is_made_from_what_it_showed_and_killed_it_makes_the_same(
    ready: Store, database: str
) -> None:
    index.run(index_settings.Settings.model_validate({"store": ready.url, "catalogue": "main"}))
    shown = {"retrieval_share": 0.5, "neighbours": 2, "index": 0}
    run(ready, run="calm", **shown)
    calm = runs.trained_shard(ready, "calm", 0)
    assert calm.manifest.settings["max_source_tokens"] == 384
    found = artifact.find(ready, "runs/calm/neighbours/shard-00000")
    assert found is not None
    assert calm.manifest.inputs["neighbours"] == found.digest

    flags = "--index 0 --retrieval-share 0.5 --neighbours 2 --save-every-seconds 0.2"
    endings = run_elsewhere("29", f"train --store {ready.url} --run killed {flags}")
    assert endings[-1] == 0
    assert len(endings) > 1
    assert weights(ready, "killed") == weights(ready, "calm")
    run(ready, run="plain", index=0)
    assert weights(ready, "plain") != weights(ready, "calm")


def test_the_recipe_reaches_the_manifest_with_what_was_given_in_its_place() -> None:
    recipe = train._recipe(
        train_settings.Settings.model_validate({"recipe": "reference", "target_tokens_per_batch": 512, "epochs": 7})
    )
    assert (recipe.batch_rows, recipe.target_tokens_per_batch, recipe.epochs, recipe.learning_rate) == (0, 512, 7, 1e-4)
    assert recipe.window_rows > 0
    rows = train._recipe(train_settings.Settings.model_validate({"batch_rows": 4}))
    assert (rows.batch_rows, rows.target_tokens_per_batch, rows.lean_loss) == (4, 0, True)
