"""The job `fetch-model`, with each of its sources."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from jobs.fetch_model import job
from jobs.fetch_model.settings import Settings
from jobs.process.command_line import parse
from jobs.process.errors import ConfigurationError, InputError, JobError, NotReadyError
from jobs.storage import runs
from jobs.storage.store import Store
from jobs.t5 import models
from jobs.t5.files import TOKENIZER_FILES, copy_tokenizer
from tests.factories import write_catalogue
from tests.fetch_model.hub_server import hub_server

pytestmark = pytest.mark.slow


def fetch(store: Store, **settings: Any) -> None:
    job.run(Settings.model_validate({"store": store.url, **settings}))


def sha256_of_files(store: Store, model: str) -> dict[str, str]:
    """Return the SHA-256 of each file of a stored model."""
    return {name: file.sha256 for name, file in runs.base_model(store, model).manifest.files.items()}


@pytest.fixture
def tiny_folder(store: Store, tmp_path: Path) -> Path:
    """Store a tiny model as `base`, and return a folder with its files."""
    write_catalogue(store)
    fetch(store, source="tiny", tiny_width=32, tiny_layers=1)
    return runs.base_model(store, "base").fetch_all(tmp_path / "tiny")


@pytest.fixture
def hub(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve the tiny model as `acme/tiny`, and yield its folder."""
    with hub_server(tiny_folder) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield tiny_folder


def test_the_same_seed_gives_the_same_tiny_model(store: Store) -> None:
    write_catalogue(store)
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        fetch(store, source="tiny", model=name, seed=seed, tiny_width=32, tiny_layers=1)
    one, same, other = (sha256_of_files(store, name) for name in ("one", "same", "other"))
    assert one == same
    assert {name for name in one if one[name] != other[name]} == {"model.safetensors"}
    assert {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"} < set(one)


def test_transformers_loads_the_tiny_model_and_the_manifest_has_its_size(store: Store, tiny_folder: Path) -> None:
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(tiny_folder), AutoTokenizer.from_pretrained(tiny_folder)
    figures = runs.base_model(store, "base").manifest.figures
    assert figures["parameters"] == model.num_parameters()
    assert figures["vocabulary"] == len(tokenizer) <= model.config.vocab_size
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 1, 2)
    tokens = tokenizer("Blue Kettle  12 cm").input_ids
    assert tokens[-1] == 1
    assert tokenizer.decode(tokens, skip_special_tokens=True) == "Blue Kettle 12 cm"


def test_the_tiny_model_gets_the_tokenizer_of_a_folder_or_an_s3_prefix(store: Store, tiny_folder: Path) -> None:
    for name in TOKENIZER_FILES[:2]:
        store.upload(f"raw/tokenizer/{name}", tiny_folder / name)
    fetch(store, source="tiny", model="from-folder", tokenizer=str(tiny_folder), tiny_width=32, tiny_layers=1)
    fetch(store, source="tiny", model="from-s3", tokenizer=f"{store.url}/raw/tokenizer", tiny_width=32, tiny_layers=1)
    base, folder, s3 = (sha256_of_files(store, name) for name in ("base", "from-folder", "from-s3"))
    assert base["tokenizer.json"] == folder["tokenizer.json"] == s3["tokenizer.json"]
    assert folder["model.safetensors"] == s3["model.safetensors"]


def test_a_tokenizer_that_is_not_a_fast_one_is_a_bad_input(store: Store, tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(b"a SentencePiece model")
    with pytest.raises(InputError, match=r"has no tokenizer\.json"):
        fetch(store, source="tiny", tokenizer=str(tmp_path))


def test_a_tokenizer_folder_that_does_not_exist_is_a_configuration_error(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="--tokenizer: there is no folder"):
        fetch(store, source="tiny", tokenizer="/no/such/folder")


def test_a_model_from_a_folder_or_s3_is_stored_unchanged_without_pickled_files(store: Store, tiny_folder: Path) -> None:
    (tiny_folder / "pytorch_model.bin").write_bytes(b"never read")
    for path in tiny_folder.iterdir():
        store.upload(f"raw/model/{path.name}", path)
    fetch(store, source=str(tiny_folder), model="from-folder")
    fetch(store, source=f"{store.url}/raw/model/", model="from-s3")
    base = sha256_of_files(store, "base")
    assert sha256_of_files(store, "from-folder") == base
    assert sha256_of_files(store, "from-s3") == base


def test_weights_in_several_files_are_stored(store: Store, tiny_folder: Path, tmp_path: Path) -> None:
    model = models.load(tiny_folder)
    model.save_pretrained(tmp_path / "parts", max_shard_size="50KB")
    copy_tokenizer(tiny_folder, tmp_path / "parts")
    fetch(store, source=str(tmp_path / "parts"), model="parts")
    stored = runs.base_model(store, "parts")
    assert len([name for name in stored.names("model") if name.endswith(".safetensors")]) > 1
    assert models.count_parameters(models.load(stored.fetch_all(tmp_path / "again"))) == models.count_parameters(model)


def test_an_existing_model_is_kept_and_different_settings_are_refused(store: Store, tiny_folder: Path) -> None:
    before = runs.base_model(store, "base").manifest
    fetch(store, source="tiny", tiny_width=32, tiny_layers=1)
    assert runs.base_model(store, "base").manifest == before
    with pytest.raises(ConfigurationError, match="tiny_width was 32, now 64"):
        fetch(store, source="tiny", tiny_layers=1)


def test_a_model_of_the_hub_is_stored_without_pickled_files(store: Store, hub: Path) -> None:
    (hub / "pytorch_model.bin").write_bytes(b"never read")
    fetch(store, source="acme/tiny", model="from-hub")
    stored = runs.base_model(store, "from-hub").manifest
    assert set(stored.files) == set(runs.base_model(store, "base").manifest.files)
    assert (stored.figures["source"], stored.figures["commit"]) == ("acme/tiny", "a" * 40)


def test_a_model_that_the_hub_does_not_have_is_a_configuration_error(store: Store, hub: Path) -> None:
    with pytest.raises(ConfigurationError, match="the hub has no model 'acme/unknown'"):
        fetch(store, source="acme/unknown", model="unknown")


def test_an_unreachable_hub_is_not_ready(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NotReadyError, match="hub cannot be reached"):
        fetch(store, source="acme/tiny")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((401, b"no"), ConfigurationError, "answered 401 for --source 'acme/tiny': correct HF_TOKEN or HF_ENDPOINT"),
        ((403, b"no"), ConfigurationError, "answered 403 for --source 'acme/tiny'"),
        ((404, b"no"), ConfigurationError, "answered 404 for --source 'acme/tiny'"),
        (
            (200, b"<html>"),
            ConfigurationError,
            r"does not answer as a hub does \(JSONDecodeError\): correct HF_ENDPOINT",
        ),
        ((200, b"{}"), ConfigurationError, "does not answer as a hub does"),
        ((503, b"busy"), NotReadyError, "the hub cannot be reached for 'acme/tiny'"),
        ((429, b"slow down"), NotReadyError, "the hub cannot be reached for 'acme/tiny'"),
    ],
)
def test_a_hub_that_refuses_is_told_from_one_that_is_busy(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[int, bytes],
    error: type[JobError],
    message: str,
) -> None:
    with hub_server(tmp_path, answer) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(error, match=message):
            fetch(store, source="acme/tiny")


@pytest.mark.parametrize("address", ["localhost:99999", "http://host:port", "http://a:hunter2@127.0.0.1:99999"])
def test_an_address_of_the_hub_that_is_none_is_a_wrong_setting(
    store: Store, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(ConfigurationError, match="HF_ENDPOINT is ") as caught:
        fetch(store, source="acme/tiny")
    assert "hunter2" not in str(caught.value)


def test_a_full_disk_is_no_error_of_the_hub(store: Store, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **settings: object) -> None:
        raise FileNotFoundError("not cached") from OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.HfApi.snapshot_download", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        fetch(store, source="acme/tiny", model="full")
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("setting", ["source", "tokenizer"])
@pytest.mark.parametrize("scheme", ["https", "s3"])
def test_an_address_with_a_password_is_a_wrong_setting_and_not_shown(setting: str, scheme: str) -> None:
    address = f"{scheme}://user:hf_SECRET@huggingface.co/google/flan-t5-base"
    given = ["--source", "tiny"] if setting == "tokenizer" else []
    with pytest.raises(ConfigurationError, match=rf"--{setting} .*found '{scheme}://huggingface\.co") as caught:
        parse(Settings, "fetch-model", "", [*given, f"--{setting}", address])
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "source", ["user:hf_SECRET@huggingface.co/google/flan", "user:hf_SECRET@huggingface.co/google"]
)
def test_a_source_that_looks_like_a_login_is_not_shown(store: Store, source: str) -> None:
    with pytest.raises(ConfigurationError, match="--source") as caught:
        fetch(store, source=source)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"source": "~nouser/x"}, {"source": "tiny", "tokenizer": "~nouser/x"}])
def test_the_home_folder_of_an_unknown_user_is_a_configuration_error(store: Store, settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="~nouser/x begins with the home folder of a user that does not exist"):
        fetch(store, **settings)


def test_a_seed_has_at_most_32_bits() -> None:
    Settings.model_validate({"seed": 2**32 - 1})
    with pytest.raises(ValueError, match="less than 4294967296"):
        Settings.model_validate({"seed": 2**32})


@pytest.mark.parametrize("source", ["/no/such/folder", "./nothing", "not a name"])
def test_a_source_that_does_not_exist_is_a_configuration_error(store: Store, source: str) -> None:
    with pytest.raises(ConfigurationError, match="--source"):
        fetch(store, source=source)


def test_an_s3_prefix_without_a_model_is_a_configuration_error(store: Store) -> None:
    with pytest.raises(ConfigurationError, match=r"has no \*\.json or \*\.safetensors"):
        fetch(store, source=f"{store.url}/raw/nothing")


def test_a_folder_without_a_model_is_a_bad_input_and_nothing_is_stored(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no readable config\.json"):
        fetch(store, source=str(tmp_path))
    assert not list(store.objects("models/"))


def test_a_tokenizer_with_more_tokens_than_the_model_is_a_bad_input(
    store: Store, tiny_folder: Path, tmp_path: Path
) -> None:
    config = json.loads((tiny_folder / "tokenizer.json").read_text())
    config["model"]["vocab"] |= {f"zzz{number}": len(config["model"]["vocab"]) + number for number in range(200)}
    (tiny_folder / "tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="tokens, but the model's vocabulary has"):
        fetch(store, source=str(tiny_folder), model="mixed")


def test_a_tokenizer_with_a_higher_token_id_than_the_model_has_is_a_bad_input(store: Store, tiny_folder: Path) -> None:
    config = json.loads((tiny_folder / "tokenizer.json").read_text())
    last = max(config["model"]["vocab"], key=lambda token: config["model"]["vocab"][token])
    config["model"]["vocab"][last] = 5_000
    (tiny_folder / "tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="has the token id 5,000, but the model's vocabulary ends at"):
        fetch(store, source=str(tiny_folder), model="gaps")


def test_the_tiny_model_ends_its_texts_with_the_end_token_of_a_given_tokenizer(store: Store, tiny_folder: Path) -> None:
    text = (tiny_folder / "tokenizer.json").read_text()
    config = json.loads(text.replace('"</s>": 1', '"</s>": 2').replace('"<unk>": 2', '"<unk>": 1'))
    for token in config["added_tokens"]:
        token["id"] = {"<pad>": 0, "<unk>": 1, "</s>": 2}[token["content"]]
    config["post_processor"]["special_tokens"]["</s>"]["ids"] = [2]
    (tiny_folder / "tokenizer.json").write_text(json.dumps(config))
    fetch(store, source="tiny", model="other", tokenizer=str(tiny_folder), tiny_width=32, tiny_layers=1)
    folder = runs.base_model(store, "other").fetch_all(tiny_folder.parent / "other")
    assert models.load_tokenizer(folder).eos_token_id == 2
    assert models.load(folder).generation_config.eos_token_id == 2
    with pytest.raises(InputError, match=r"eos_token_id 1, expected .* the end token of the tokenizer, 2"):
        fetch(store, source=str(tiny_folder), model="mixed")


def test_a_model_without_a_start_token_is_a_bad_input(store: Store, tiny_folder: Path) -> None:
    config = json.loads((tiny_folder / "config.json").read_text())
    del config["decoder_start_token_id"]
    (tiny_folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="decoder_start_token_id None"):
        fetch(store, source=str(tiny_folder), model="without")


def test_a_tokenizer_is_accepted_for_the_tiny_model_only() -> None:
    with pytest.raises(ValueError, match="--tokenizer needs --source tiny"):
        Settings.model_validate({"source": "google/flan-t5-small", "tokenizer": "somewhere"})


def test_a_folder_is_identified_by_its_files_not_by_its_path(store: Store, tiny_folder: Path, tmp_path: Path) -> None:
    fetch(store, source=str(tiny_folder), model="mine")
    moved = tmp_path / "moved"
    tiny_folder.rename(moved)
    fetch(store, source=str(moved), model="mine")  # the same files: already done
    weights = load_file(moved / "model.safetensors")
    weights["lm_head.weight"] *= 1.01
    save_file(weights, moved / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigurationError, match="files was"):
        fetch(store, source=str(moved), model="mine")
