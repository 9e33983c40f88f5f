"""`train --shards-at-once`: the shards of a round start from one model, and their models are merged as the paper says."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import artifact, layout, runs
from jobs.storage.artifact import Artifact, Spec
from jobs.storage.layout import MODEL_CARD_FILE, MOMENTUM_FILE, Kind
from jobs.storage.store import Store
from jobs.train import job as train
from jobs.train import settings as train_settings
from tests.factories import write_catalogue, write_tiny_model

pytestmark = pytest.mark.slow

QUICK = {"epochs": 1, "target_tokens_per_batch": 256, "rouge_rows": 0}
WEIGHTS = "model/model.safetensors"


def run(store: Store, **settings: Any) -> None:
    chosen = {"store": store.url, **QUICK, "shards_at_once": 2, **settings}
    train.run(train_settings.Settings.model_validate(chosen))


def merged(store: Store, shard: int, run_name: str = "main") -> Artifact:
    return artifact.require(store, layout.merged_model_path(run_name, shard), Kind.MERGED_MODEL, "train")


def parent(store: Store, shard: int, run_name: str = "main") -> str:
    return runs.trained_shard(store, run_name, shard).manifest.inputs["parent"]


def tensors(model: Artifact, folder: Path, name: str = WEIGHTS) -> dict[str, torch.Tensor]:
    return load_file(model.fetch(name, folder / model.digest))


def train_command(store: Store, *flags: str) -> list[str]:
    quick = [part for name, value in QUICK.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    return ["train", "--store", store.url, *quick, "--shards-at-once", "2", *flags]


@pytest.fixture
def ready(store: Store) -> Store:
    """A catalogue of three shards and a tiny base model."""
    write_catalogue(store, shards=3, rows_per_shard=40)
    write_tiny_model(store)
    return store


def test_the_shards_of_a_round_start_from_one_model_and_their_models_are_merged(ready: Store, tmp_path: Path) -> None:
    run(ready)
    base = runs.base_model(ready, "base")
    assert [parent(ready, 0), parent(ready, 1)] == [base.digest, base.digest]
    first, last = merged(ready, 1), merged(ready, 2)
    assert parent(ready, 2) == first.digest
    trained = [runs.trained_shard(ready, "main", shard).digest for shard in range(3)]
    assert first.manifest.inputs == {
        "base_model": base.digest, "catalogue": first.manifest.inputs["catalogue"], "parent": base.digest,
        "shard-00000": trained[0], "shard-00001": trained[1],
    }  # fmt: skip
    assert last.manifest.inputs["parent"] == first.digest
    assert last.manifest.inputs["shard-00002"] == trained[2]
    assert first.manifest.settings == {
        "shards_at_once": 2, "outer_learning_rate": 0.7, "outer_momentum": 0.5, "shards": [0, 1],
    }  # fmt: skip
    assert (first.manifest.figures["merged_shards"], first.manifest.figures["train_rows"]) == (2, 72)
    assert runs.read_config(ready, "main")["shards_at_once"] == 2
    assert not artifact.find(ready, layout.merged_model_path("main", 0))

    folder = runs.fetch_model(last, tmp_path)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    assert model.lm_head.weight is not model.shared.weight
    assert "an outer step leads from the parent model to the model of shard 2" in (folder / MODEL_CARD_FILE).read_text()
    assert "outer momentum: 0.5" in (folder / MODEL_CARD_FILE).read_text()


def test_the_merge_is_the_outer_step_of_the_paper(ready: Store, tmp_path: Path) -> None:
    run(ready, outer_learning_rate=0.6, outer_momentum=0.5)
    base = tensors(runs.base_model(ready, "base"), tmp_path, "model.safetensors")
    shards = [tensors(runs.trained_shard(ready, "main", shard), tmp_path) for shard in range(3)]
    first, last = tensors(merged(ready, 1), tmp_path), tensors(merged(ready, 2), tmp_path)
    momentum = tensors(merged(ready, 2), tmp_path, MOMENTUM_FILE)
    assert first.keys() == base.keys()
    for name, before in base.items():
        gradient = before - (shards[0][name] + shards[1][name]) / 2
        torch.testing.assert_close(first[name], before - 0.6 * (gradient + 0.5 * gradient))
        second = first[name] - shards[2][name]
        velocity = 0.5 * gradient + second
        torch.testing.assert_close(momentum[name], velocity)
        torch.testing.assert_close(last[name], first[name] - 0.6 * (second + 0.5 * velocity))


def test_without_momentum_and_with_learning_rate_1_the_models_are_averaged_by_their_rows(
    store: Store, tmp_path: Path
) -> None:
    write_catalogue(store, shards=2, rows_per_shard=40)
    write_tiny_model(store)
    run(store, outer_learning_rate=1, outer_momentum=0)
    shards = [tensors(runs.trained_shard(store, "main", shard), tmp_path) for shard in range(2)]
    model = merged(store, 1)
    assert MOMENTUM_FILE not in model.manifest.files
    for name, value in tensors(model, tmp_path).items():
        torch.testing.assert_close(value, (shards[0][name] + shards[1][name]) / 2)


def test_shards_in_any_order_and_in_processes_of_their_own_give_the_same_model(ready: Store) -> None:
    run(ready, run="one")
    for index in (1, 0, 2):
        run(ready, run="another", index=index)
    one, another = (merged(ready, 2, name).manifest.files[WEIGHTS] for name in ("one", "another"))
    assert one.sha256 == another.sha256


def test_a_shard_of_the_next_round_waits_for_all_of_the_round_before(ready: Store) -> None:
    run(ready, index=1)
    command = [
        sys.executable,
        "-c",
        f"import sys; from jobs.cli import main; print(main({train_command(ready, '--index', '2')}), 'torch' in sys.modules)",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["75", "False"], done.stderr
    assert "run 'main': shard 0 is not trained yet" in done.stderr
    assert "skuscribe train --run main --index 0" in done.stderr


def test_a_check_says_whether_a_shard_can_be_trained_now(ready: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run(ready, index=0, only_check=True)
    assert not ready.read(layout.run_config_path("main"))
    with pytest.raises(NotReadyError, match="shards 0, 1 are not trained yet"):
        run(ready, index=2, only_check=True)
    run(ready, index=0)
    run(ready, index=0, only_check=True)
    capsys.readouterr()
    run(ready, only_check=True)
    assert '"ready to be trained", "shard": 1}' in capsys.readouterr().err
    with pytest.raises(NotReadyError, match="shard 1 is not trained yet"):
        run(ready, index=2, only_check=True)
    run(ready, index=1)
    artifact.remove(ready, layout.merged_model_path("main", 1))
    run(ready, index=2, only_check=True)
    assert not artifact.find(ready, layout.merged_model_path("main", 1))
    run(ready, index=2)
    artifact.remove(ready, layout.trained_shard_path("main", 0))  # to save storage
    run(ready, index=2, only_check=True)
    artifact.remove(ready, layout.trained_shard_path("main", 2))
    run(ready, index=2, only_check=True)


def test_a_check_of_a_chain_names_the_shard_that_is_missing(ready: Store) -> None:
    with pytest.raises(NotReadyError, match=r"shard 0 is not trained yet: `skuscribe train --run main --index 0`"):
        run(ready, shards_at_once=1, index=1, only_check=True)


def test_a_round_whose_merge_was_lost_is_merged_by_the_next_shard(ready: Store) -> None:
    for index in (0, 1):
        run(ready, index=index)
    before = merged(ready, 1)
    artifact.remove(ready, before.path)
    run(ready, index=2)
    assert merged(ready, 1).manifest.digest == before.manifest.digest == parent(ready, 2)


def test_a_round_that_is_merged_is_read_without_the_rounds_before(
    ready: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in (0, 1):
        run(ready, index=index)
    artifact.remove(ready, layout.trained_shard_path("main", 0))  # to save storage
    capsys.readouterr()
    run(ready, index=2)
    assert "already done" not in capsys.readouterr().err
    assert parent(ready, 2) == merged(ready, 1).digest


def test_the_last_round_may_be_smaller_and_grow_later(ready: Store) -> None:
    run(ready, shards_at_once=3, max_shards=2)
    assert merged(ready, 1).manifest.settings["shards"] == [0, 1]
    run(ready, shards_at_once=3)
    assert merged(ready, 2).manifest.settings["shards"] == [0, 1, 2]
    assert parent(ready, 2) == runs.base_model(ready, "base").digest


def test_a_shard_of_another_parent_is_not_merged(ready: Store) -> None:
    inputs = {"base_model": runs.base_model(ready, "base").digest, "parent": "another"}
    artifact.make_once(Spec(ready, layout.trained_shard_path("main", 0), Kind.TRAINED_SHARD, {}, inputs), lambda _: {})
    with pytest.raises(
        ConfigurationError, match=r"not trained from .*models/base as it is now.*remove .*shard-00000/manifest"
    ):
        run(ready, index=1)
    assert not artifact.find(ready, layout.merged_model_path("main", 1))


def test_a_merge_of_another_shard_than_before_is_logged(ready: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run(ready, max_shards=2)
    inputs = {"base_model": runs.base_model(ready, "base").digest, "parent": runs.base_model(ready, "base").digest}
    before = runs.trained_shard(ready, "main", 1)
    artifact.remove(ready, layout.trained_shard_path("main", 0))
    copied = Spec(ready, layout.trained_shard_path("main", 0), Kind.TRAINED_SHARD, {"copied": True}, inputs)

    def copy(draft: artifact.Draft) -> dict[str, Any]:
        for name, file in before.manifest.files.items():
            draft.add_bytes(name, ready.read(f"{before.path}/{file.key}") or b"")
        return dict(before.manifest.figures)

    artifact.make_once(copied, copy)
    old = merged(ready, 1).digest
    run(ready, index=1, max_shards=2)
    assert merged(ready, 1).digest != old
    assert "merged again: a shard has another model now, and later rounds are outdated" in capsys.readouterr().err


def test_settings_of_the_merge_need_several_shards_at_once() -> None:
    with pytest.raises(ValueError, match="give --shards-at-once, at least 2, too"):
        train_settings.Settings.model_validate({"store": "s3://bucket", "outer_momentum": 0.5})


def test_a_run_does_not_change_its_number_of_shards_at_once(ready: Store) -> None:
    run(ready, index=0)
    with pytest.raises(ConfigurationError, match="shards_at_once was 2, now 3"):
        run(ready, index=1, shards_at_once=3)
    with pytest.raises(ConfigurationError, match="shards_at_once was 2"):
        run(ready, index=1, shards_at_once=1)


def test_a_chain_records_nothing_about_rounds(ready: Store) -> None:
    run(ready, index=0, shards_at_once=1)
    assert not any("outer" in name or "at_once" in name for name in runs.read_config(ready, "main"))
    with pytest.raises(NotReadyError, match="train --run main --index 1"):
        run(ready, index=2, shards_at_once=1)


@pytest.mark.kills
def test_a_killed_round_ends_with_the_same_merged_model(ready: Store) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run(ready, run="undisturbed")
    finally:
        torch.set_num_threads(before)
    command = train_command(ready, "--run", "killed", "--save-every-seconds", "0.4")
    done = subprocess.run(
        [sys.executable, "-m", "tests.kill_often", "3", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) > 3, "it was killed too rarely"
    for shard in (1, 2):
        digests = {merged(ready, shard, name).manifest.files[WEIGHTS].sha256 for name in ("undisturbed", "killed")}
        assert len(digests) == 1


@pytest.mark.kills
def test_two_concurrent_writers_of_a_round_leave_one_merged_model(ready: Store) -> None:
    for index in (0, 1):
        run(ready, index=index)
    artifact.remove(ready, layout.merged_model_path("main", 1))
    words = [sys.executable, "-m", "tests.kill_often", "concurrently", *train_command(ready, "--index", "1")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert json.loads(done.stdout) == [0, 0], done.stderr
    model = merged(ready, 1)
    keys = {stored.key for stored in ready.objects(f"{model.path}/")}
    assert keys == {f"{model.path}/{file.key}" for file in model.manifest.files.values()} | {
        f"{model.path}/{layout.MANIFEST}"
    }
