"""`train`: a chain of models, the same weights after any interruption, and a reason for each refusal."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from jobs.index import job as index
from jobs.index import settings as index_settings
from jobs.prepare import job as prepare
from jobs.prepare import settings as prepare_settings
from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.sample.rows import write_sample
from jobs.storage import artifact, catalogue, layout, runs
from jobs.storage.artifact import Artifact, Draft, Spec
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from jobs.train import job as train
from jobs.train import settings as train_settings
from tests.factories import write_catalogue, write_tiny_model, write_tiny_model_with_dropout

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_vectors")]

QUICK = {"epochs": 2, "target_tokens_per_batch": 256, "rouge_rows": 2}
WEIGHTS = "model/model.safetensors"


def run(store: Store, **settings: Any) -> None:
    train.run(train_settings.Settings.model_validate({"store": store.url, **QUICK, **settings}))


def run_killed(*words: str) -> list[int]:
    """The exit codes of the attempts of `tests.kill_often`."""
    flags = [part for name, value in QUICK.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "tests.kill_often", *words[:-1], *words[-1].split(), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    return [int(code) for code in json.loads(done.stdout)]


def weights(store: Store, run_name: str, shard: int = 0) -> str:
    return runs.trained_shard(store, run_name, shard).manifest.files[WEIGHTS].sha256


def metrics(trained: Artifact, folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in trained.fetch(layout.METRICS_FILE, folder).read_text().splitlines()]


def write_artifact(store: Store, path: str, kind: Kind, inputs: dict[str, str], folder: Path | None = None) -> None:
    def add_files(draft: Draft) -> dict[str, Any]:
        if folder is not None:
            draft.add_folder(folder)
        return {}

    artifact.make_once(Spec(store, path, kind, {}, inputs), add_files)


@pytest.fixture
def ready(store: Store) -> Store:
    """A catalogue of two shards and a tiny base model."""
    write_catalogue(store, shards=2, rows_per_shard=80)
    write_tiny_model(store)
    return store


@pytest.fixture
def sample_ready(store: Store, tmp_path: Path) -> Store:
    """A shard of sample products, whose titles differ in colours, makers, materials and sizes, and a tiny base model."""
    rows = tmp_path / "rows.jsonl.gz"
    write_sample(rows, rows=200, seed=5)
    prepare.run(prepare_settings.Settings.model_validate({"store": store.url, "input": str(rows), "held_out_rows": 20}))
    write_tiny_model(store)
    return store


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread, as in `kill_often`: the number of threads changes the rounding of sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_all_shards_are_trained_in_a_chain(ready: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(ready)
    first, second = (runs.trained_shard(ready, "main", shard) for shard in (0, 1))
    assert first.manifest.inputs["parent"] == runs.base_model(ready, "base").digest
    assert second.manifest.inputs["parent"] == first.digest

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
    printed = capsys.readouterr()
    assert printed.out == ""
    started = [json.loads(line) for line in printed.err.splitlines() if '"training started"' in line]
    assert [event["shard"] for event in started] == [0, 1]
    assert all(event["device"] == "cpu" and event["batches"] == event["steps"] > 0 for event in started)


def test_a_trained_model_loads_in_plain_transformers(ready: Store, tmp_path: Path) -> None:
    run(ready, index=0, epochs=1)
    folder = runs.trained_shard(ready, "main", 0).fetch_all(tmp_path / "trained", layout.MODEL_PREFIX)
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.lm_head.weight is not model.shared.weight
    base = runs.base_model(ready, "base").fetch("config.json", tmp_path)
    assert json.loads((folder / "config.json").read_text()) == json.loads(base.read_text())
    assert json.loads(base.read_text())["tie_word_embeddings"] is False
    assert (folder / "generation_config.json").is_file()
    card = (folder / layout.MODEL_CARD_FILE).read_text()
    assert "# main: after shard 0" in card
    assert "## Results on the test rows of this shard" in card
    inputs = tokenizer("Please describe this product: Red Lamp", return_tensors="pt")
    assert model.generate(**inputs, max_new_tokens=4).shape[0] == 1


def test_the_card_names_the_commit_of_a_base_model_of_the_hub(ready: Store, tmp_path: Path) -> None:
    folder = runs.base_model(ready, "base").fetch_all(tmp_path / "base")
    spec = Spec(ready, layout.model_path("hub"), Kind.MODEL, {}, {})

    def build(draft: Draft) -> dict[str, Any]:
        draft.add_folder(folder)
        return {"source": "google/flan-t5-base", "commit": "7bcac57"}

    artifact.make_once(spec, build)
    run(ready, index=0, epochs=1, model="hub")
    trained = runs.trained_shard(ready, "main", 0).fetch_all(tmp_path / "trained", layout.MODEL_PREFIX)
    assert "Base model: `google/flan-t5-base@7bcac57`" in (trained / layout.MODEL_CARD_FILE).read_text()


def test_a_trained_shard_is_found_already_done_without_torch(ready: Store) -> None:
    run(ready, index=0, epochs=1)
    before = runs.trained_shard(ready, "main", 0).manifest
    flags = ["--index", "0", "--epochs", "1", "--target-tokens-per-batch", "256", "--rouge-rows", "2"]
    code = f"import sys; from jobs.cli import main; print(main(['train', *{flags}]), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["0", "False"], done.stderr
    assert '"already done"' in done.stderr
    assert runs.trained_shard(ready, "main", 0).manifest == before


@pytest.mark.kills
@pytest.mark.usefixtures("one_thread")
def test_a_killed_job_resumes_and_ends_with_the_same_weights(ready: Store) -> None:
    write_tiny_model_with_dropout(ready, "dropout")
    run(ready, index=0, run="undisturbed", model="dropout", save_every_seconds=1000)
    codes = run_killed("7", "train --run killed --model dropout --index 0 --save-every-seconds 0.4")
    assert codes[-1] == 0
    assert len(codes) > 3, "it was killed too rarely"
    assert weights(ready, "killed") == weights(ready, "undisturbed")
    assert not list(ready.objects("runs/killed/shard-00000/state/"))


@pytest.mark.kills
def test_two_concurrent_writers_of_a_shard_leave_one_artifact(ready: Store) -> None:
    assert run_killed("concurrently", "train --index 0 --save-every-seconds 0.4") == [0, 0]
    trained = runs.trained_shard(ready, "main", 0)
    keys = {stored.key for stored in ready.objects(f"{trained.path}/")}
    listed = {f"{trained.path}/{file.key}" for file in trained.manifest.files.values()}
    assert keys == listed | {f"{trained.path}/{layout.MANIFEST}"}


def test_both_recipes_accumulate_gradients(ready: Store) -> None:
    for recipe in ("fast", "reference"):
        batches = {"gradient_accumulation": 2, "target_tokens_per_batch": None, "batch_rows": 4}
        run(ready, index=0, run=recipe, recipe=recipe, **batches)
    assert weights(ready, "fast") != weights(ready, "reference")


def test_a_shard_waits_for_its_parent(ready: Store) -> None:
    with pytest.raises(NotReadyError, match="train --run main --index 0"):
        run(ready, index=1)


def test_a_run_waits_for_its_catalogue_and_its_base_model(store: Store) -> None:
    with pytest.raises(NotReadyError, match="prepare --catalogue main"):
        run(store)
    write_catalogue(store)
    with pytest.raises(NotReadyError, match="fetch-model --model base"):
        run(store)


def test_a_parent_of_another_base_model_is_a_configuration_error(ready: Store) -> None:
    path = layout.trained_shard_path("main", 0)
    write_artifact(ready, path, Kind.TRAINED_SHARD, {"base_model": "another"})
    with pytest.raises(ConfigurationError, match="from another base model"):
        run(ready, index=1)


def test_a_run_does_not_change_its_recipe(ready: Store) -> None:
    runs.freeze(ready, "main", {"recipe": "reference"})
    with pytest.raises(ConfigurationError, match="recipe was reference, now fast"):
        run(ready, index=0)


@pytest.mark.parametrize(("index", "max_shards"), [(2, None), (2, 70), (1, 1)])
def test_an_index_beyond_the_last_shard_trains_nothing(
    ready: Store, index: int, max_shards: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    run(ready, index=index, max_shards=max_shards)
    assert ready.folders(layout.RUNS) == []
    assert "nothing to do: no shard with this index" in capsys.readouterr().err


def test_batch_rows_and_target_tokens_per_batch_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        train_settings.Settings.model_validate({"batch_rows": 8, "target_tokens_per_batch": 512})


def test_a_shard_without_training_rows_is_an_input_error(store: Store) -> None:
    write_catalogue(store, rows_per_shard=1)  # its only row is a test row
    write_catalogue(store, name="other")
    write_tiny_model(store, catalogue_name="other")
    with pytest.raises(InputError, match="no training rows"):
        run(store)


def test_an_infinite_loss_is_an_input_error_and_leaves_nothing_in_the_store(ready: Store, tmp_path: Path) -> None:
    folder = runs.base_model(ready, "base").fetch_all(tmp_path)
    values = load_file(folder / "model.safetensors")
    values["lm_head.weight"] *= 1e38
    save_file(values, folder / "model.safetensors", {"format": "pt"})
    write_artifact(ready, layout.model_path("huge"), Kind.MODEL, {}, folder)
    with pytest.raises(InputError, match="training loss of shard 0 is"):
        run(ready, index=0, model="huge", save_every_seconds=0)
    assert not list(ready.objects("runs/main/shard-00000/"))


def test_counterfactual_rows_are_trained_with_and_kept_beside_the_model(sample_ready: Store, tmp_path: Path) -> None:
    ready = sample_ready
    run(ready, index=0, epochs=1, counterfactual_share=0.5)
    trained = runs.trained_shard(ready, "main", 0)
    made = pq.read_table(trained.fetch(layout.COUNTERFACTUALS_FILE, tmp_path)).to_pylist()
    figures = trained.manifest.figures
    products = catalogue.require(ready, "main").read_shard(0, tmp_path)
    assert figures["train_rows"] + figures["test_rows"] == products.num_rows
    assert 0.2 * figures["train_rows"] < figures["counterfactual_rows"] == len(made) < 0.8 * figures["train_rows"]
    assert all(row["title"] != products["title"][row["row"]].as_py() for row in made)
    assert "- counterfactual share: 0.5" in trained.fetch(f"model/{layout.MODEL_CARD_FILE}", tmp_path).read_text()
    with pytest.raises(ConfigurationError, match="counterfactual_share"):
        run(ready, index=0, epochs=1)
    run(ready, run="without", index=0, epochs=1)
    without = runs.trained_shard(ready, "without", 0).manifest
    assert without.files[WEIGHTS].sha256 != trained.manifest.files[WEIGHTS].sha256
    assert layout.COUNTERFACTUALS_FILE not in without.files
    assert "counterfactual_share" not in without.settings  # as in runs of earlier versions, which are found again


@pytest.mark.kills
@pytest.mark.usefixtures("one_thread")
def test_a_killed_training_with_neighbours_and_counterfactual_rows_ends_with_the_same_weights(
    sample_ready: Store, database: str
) -> None:
    ready = sample_ready
    index.run(index_settings.Settings.model_validate({"store": ready.url, "catalogue": "main"}))
    settings = {"retrieval_share": 0.5, "neighbours": 2, "counterfactual_share": 0.5, "index": 0}
    run(ready, run="undisturbed", **settings)
    trained = runs.trained_shard(ready, "undisturbed", 0)
    assert trained.manifest.settings["max_source_tokens"] == 384
    neighbours = artifact.find(ready, layout.neighbours_path("undisturbed", 0))
    assert neighbours is not None
    assert trained.manifest.inputs["neighbours"] == neighbours.digest
    assert trained.manifest.figures["counterfactual_rows"] > 0

    flags = "--index 0 --retrieval-share 0.5 --neighbours 2 --counterfactual-share 0.5 --save-every-seconds 0.2"
    codes = run_killed("29", f"train --store {ready.url} --run killed {flags}")
    assert codes[-1] == 0
    assert len(codes) > 1, "it was never killed"
    assert weights(ready, "killed") == weights(ready, "undisturbed")
    run(ready, run="without", index=0)
    assert weights(ready, "without") != weights(ready, "undisturbed")


def test_the_config_of_a_run_has_the_recipe_and_the_settings_that_replace_it(ready: Store) -> None:
    for name, settings in (
        ("tokens", {"recipe": "reference", "target_tokens_per_batch": 512, "epochs": 7}),
        ("rows", {"batch_rows": 4, "target_tokens_per_batch": None}),
    ):
        with pytest.raises(NotReadyError):
            run(ready, run=name, index=1, **settings)  # writes run.json, then waits for shard 0
    tokens, rows = runs.read_config(ready, "tokens"), runs.read_config(ready, "rows")
    assert (tokens["recipe"], tokens["batch_rows"], tokens["target_tokens_per_batch"]) == ("reference", 0, 512)
    assert (tokens["epochs"], tokens["learning_rate"], tokens["rouge_max_tokens"]) == (7, 1e-4, 128)
    assert tokens["window_rows"] > 0
    assert (rows["batch_rows"], rows["target_tokens_per_batch"], rows["lean_loss"]) == (4, 0, True)
