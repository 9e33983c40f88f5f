"""`estimate` says what `train` would do: its steps are those of the training, and it changes nothing."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.estimate import job
from jobs.estimate.settings import Settings
from jobs.prepare import job as prepare
from jobs.prepare import settings as prepare_settings
from jobs.process import folders
from jobs.process.command_line import parse
from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.sample.rows import write_sample
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Draft, Spec
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from jobs.train import job as train
from jobs.train import settings as train_settings
from jobs.train.time_estimate import LAUNCH_SECONDS_PER_LAYER
from tests.factories import write_catalogue, write_tiny_model
from tests.ready import Ready

QUICK = {"epochs": 2, "target_tokens_per_batch": 256}


def estimated(store: Store, capsys: pytest.CaptureFixture[str], **settings: Any) -> dict[str, str]:
    """The figure and the note of each line by its name."""
    capsys.readouterr()
    job.run(Settings.model_validate({"store": store.url, **QUICK, **settings}))
    lines = capsys.readouterr().out.splitlines()
    starts = lines[0].index("products") if "products" in lines[0] else lines[0].index("shards to train")
    cells = [[cell.strip() for cell in line[starts:].split("  ") if cell.strip()] for line in lines]
    return {cell[0]: "  ".join(cell[1:]) for cell in cells}


@pytest.fixture
def prepared(store: Store) -> Store:
    """A catalogue of two shards and a tiny base model."""
    write_catalogue(store, shards=2, rows_per_shard=80)
    write_tiny_model(store)
    return store


@pytest.fixture
def sample(store: Store, tmp_path: Path) -> Store:
    """The generated sample, in shards of different sizes, and a tiny base model."""
    rows = tmp_path / "rows.jsonl.gz"
    write_sample(rows, rows=260, seed=5)
    chosen = {"store": store.url, "input": str(rows), "held_out_rows": 20, "shard_rows": 90}
    prepare.run(prepare_settings.Settings.model_validate(chosen))
    write_tiny_model(store)
    return store


def trained_steps(store: Store, folder: Path, **settings: Any) -> list[int]:
    """The optimizer steps of each shard, after a real training."""
    train.run(train_settings.Settings.model_validate({"store": store.url, "rouge_rows": 0, **QUICK, **settings}))
    steps = []
    for shard in range(settings.get("max_shards", 2)):
        metrics = runs.trained_shard(store, settings.get("run", "main"), shard).fetch(
            layout.METRICS_FILE, folder / str(shard)
        )
        steps.append(json.loads(metrics.read_text().splitlines()[-1])["step"])
    return steps


def first(figure: str) -> int:
    """The number that a figure begins with."""
    return int(figure.split()[0].replace(",", ""))


def write_model_shape(store: Store, name: str, **shape: int) -> None:
    """Commit a base model without weights: the tiny model's tokenizer, and its configuration with another shape."""
    with folders.temporary_folder() as folder:
        runs.base_model(store, "base").fetch_all(folder)
        config = json.loads((folder / "config.json").read_text()) | shape
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "model.safetensors").unlink()
        spec = Spec(store, layout.model_path(name), Kind.MODEL, {}, {})

        def add_files(draft: Draft) -> dict[str, int]:
            draft.add_folder(folder)
            return {}

        artifact.make_once(spec, add_files)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gradient_accumulation": 2},
        {"recipe": "reference", "target_tokens_per_batch": None, "batch_rows": 4},
        {"counterfactual_share": 0.5},
    ],
    ids=["fast", "accumulated", "reference", "counterfactual"],
)
def test_the_steps_of_a_shard_are_those_of_its_training(
    sample: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: dict[str, Any]
) -> None:
    [steps] = trained_steps(sample, tmp_path, max_shards=1, **settings)
    assert estimated(sample, capsys, max_shards=1, **settings)["optimizer steps"].split()[0] == str(steps)


@pytest.mark.slow
def test_the_steps_of_all_shards_are_near_those_of_their_training(
    sample: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = sum(trained_steps(sample, tmp_path))
    found = estimated(sample, capsys, max_shards=2)
    assert int(found["optimizer steps"].split()[0]) == pytest.approx(steps, rel=0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("kept_vectors")
def test_the_steps_with_retrieved_neighbours_are_near_those_of_the_training(
    ready: Ready, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = {"catalogue": "ready", "model": "ready", "max_shards": 1}
    without = estimated(ready.store, capsys, **chosen)
    found = estimated(ready.store, capsys, retrieval_share=1, **chosen)
    [steps] = trained_steps(ready.store, tmp_path, run="retrieving", retrieval_share=1, **chosen)
    for stored in list(ready.store.objects("runs/retrieving/")):
        ready.store.delete(stored.key)  # other tests read the same store
    assert "random rows in place of neighbours" in found["optimizer steps"]
    assert first(without["optimizer steps"]) < 0.6 * steps
    assert first(found["optimizer steps"]) == pytest.approx(steps, rel=0.1)


def test_a_sample_of_the_rows_gives_nearly_the_same_steps(
    prepared: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    every = estimated(prepared, capsys)["optimizer steps"]
    assert "72 of the 72 training rows of shard 0" in every
    monkeypatch.setattr(job, "SAMPLED_ROWS", 30)
    sampled = estimated(prepared, capsys)["optimizer steps"]
    assert "30 of the 72 training rows of shard 0" in sampled
    assert first(sampled) == pytest.approx(first(every), rel=0.1)


def test_it_reads_and_changes_nothing(prepared: Store, capsys: pytest.CaptureFixture[str]) -> None:
    def stored() -> list[tuple[str, str]]:
        return [(stored.key, stored.etag) for stored in prepared.objects("")]

    before = stored()
    found = estimated(prepared, capsys)
    assert stored() == before
    assert "training" not in found  # the line of the cost
    assert "fits into 85% of the 24 GB of L4" in found["total"]
    assert first(found["shards to train"]) == 2
    assert first(found["training rows"]) == 144


def test_the_limit_of_shards_and_the_index_choose_the_shards(
    prepared: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    every = estimated(prepared, capsys)
    limited = estimated(prepared, capsys, max_shards=1)
    assert (first(limited["shards to train"]), limited["shards to train"].split("  ")[1]) == (1, "of 2")
    assert first(limited["training rows"]) == 72
    assert first(limited["optimizer steps"]) < first(every["optimizer steps"])
    assert "of shard 1 tokenized" in estimated(prepared, capsys, index=1)["optimizer steps"]
    job.run(Settings.model_validate({"store": prepared.url, "index": 2}))
    printed = capsys.readouterr()
    assert (printed.out, "nothing to do" in printed.err) == ("", True)


def test_shards_at_once_take_the_time_of_the_longest_of_each_round(
    prepared: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = estimated(prepared, capsys)
    assert not any(" x L4" in name or "merged" in name for name in chain)
    rounds = estimated(prepared, capsys, shards_at_once=2)
    assert rounds["time on L4"] == chain["time on L4"]
    assert rounds["optimizer steps"] == chain["optimizer steps"]
    assert "2 shards at once: the longest shard of each round" in rounds["time on 2 x L4"]
    assert "each with its momentum" in rounds["merged models"]
    assert "momentum" not in estimated(prepared, capsys, shards_at_once=2, outer_momentum=0.0)["merged models"]


def test_the_cost_is_that_of_the_hours_at_the_price_of_the_user(
    prepared: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    cost = estimated(prepared, capsys, epochs=1000, gpu_hour_price=36)["training"]
    steps = first(estimated(prepared, capsys, epochs=1000)["optimizer steps"])
    hours = steps * 4 * LAUNCH_SECONDS_PER_LAYER / 3600  # the tiny model has 4 layers, and its steps are short
    assert cost.split()[0] == f"{36 * hours:,.2f}"
    assert f"{hours:,.2f} GPU hours at 36.00" in cost


def test_a_training_that_does_not_fit_names_smaller_batches_that_do(
    prepared: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model_shape(prepared, "wide", d_ff=1_000_000)
    chosen = {"model": "wide", "target_tokens_per_batch": 4096}
    total = estimated(prepared, capsys, **chosen)["total"]
    assert "does not fit into 85% of the 24 GB of L4" in total
    [(tokens, accumulation)] = re.findall(r"set --target-tokens-per-batch (\d+) --gradient-accumulation (\d+)", total)
    assert int(tokens) * int(accumulation) == 4096
    smaller = {**chosen, "target_tokens_per_batch": int(tokens), "gradient_accumulation": int(accumulation)}
    assert "fits into" in estimated(prepared, capsys, **smaller)["total"]
    assert "fits into" in estimated(prepared, capsys, **chosen, gpu="H200")["total"]
    rows = {"model": "wide", "recipe": "reference", "target_tokens_per_batch": None, "batch_rows": 64}
    assert re.search(r"set --batch-rows \d+ --gradient-accumulation", estimated(prepared, capsys, **rows)["total"])


def test_a_model_that_is_too_large_for_any_batch_says_so(prepared: Store, capsys: pytest.CaptureFixture[str]) -> None:
    write_model_shape(prepared, "huge", d_ff=3_000_000)
    total = estimated(prepared, capsys, model="huge")["total"]
    assert "use a GPU with more memory or a smaller model" in total


def test_it_waits_for_the_catalogue_and_the_base_model(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotReadyError, match="prepare --catalogue main"):
        estimated(store, capsys)
    write_catalogue(store)
    with pytest.raises(NotReadyError, match="fetch-model --model base"):
        estimated(store, capsys)


def test_a_shard_without_training_rows_is_bad_input(prepared: Store, capsys: pytest.CaptureFixture[str]) -> None:
    write_catalogue(prepared, "single", rows_per_shard=1)
    with pytest.raises(InputError, match="shard 0 of catalogue 'single' has 1 rows and no training rows"):
        estimated(prepared, capsys, catalogue="single")


def test_more_batches_per_step_than_rows_are_a_wrong_setting(
    prepared: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigurationError, match="--gradient-accumulation 100"):
        estimated(prepared, capsys, gradient_accumulation=100)


def test_an_unknown_gpu_is_a_wrong_setting_found_before_torch_is_loaded() -> None:
    code = "import sys; from jobs.cli import main; print(main(['estimate', '--gpu', 'T4']), 'torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["78", "False"]
    assert "--gpu (SKUSCRIBE_GPU): expected H200, " in ended.stderr


def test_it_takes_the_settings_of_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKUSCRIBE_EPOCHS", "7")
    chosen = parse(Settings, "estimate", "", ["--batch-rows", "3", "--gpu", "A100-80GB"])
    assert (chosen.epochs, chosen.batch_rows, chosen.gpu) == (7, 3, "A100-80GB")
    assert set(train_settings.TrainingSettings.model_fields) < set(Settings.model_fields)
