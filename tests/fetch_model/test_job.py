import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jobs.fetch_model import job as fetch_model
from jobs.fetch_model import settings as fetch_model_settings
from jobs.process.errors import ConfigurationError, InputError, NotReadyError
from jobs.storage import runs
from jobs.storage.store import Store
from jobs.t5 import files, models
from tests.factories import write_catalogue


def fetch(store: Store, **settings: Any) -> None:
    fetch_model.run(fetch_model_settings.Settings.model_validate({"store": store.url, **settings}))


@pytest.fixture
def tiny_folder(store: Store, tmp_path: Path) -> Path:
    """A tiny model, fetched into the store as `base` and down again into a folder."""
    write_catalogue(store)
    fetch(store, source="tiny", tiny_width=32, tiny_layers=1)
    return runs.base_model(store, "base").fetch_all(tmp_path / "tiny")


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does for one model, `acme/tiny`, whose files lie in a folder; 401 for any other."""

    commit = "a" * 40

    def __init__(self, folder: Path, *arguments: Any) -> None:
        self.folder = folder
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        if self.path.startswith("/api/models/acme/tiny/tree/"):
            listed = [
                {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": "0"}
                for path in self.folder.iterdir()
            ]
            body = json.dumps(listed).encode()
        elif self.path.startswith("/api/models/acme/tiny"):
            files = [{"rfilename": path.name} for path in sorted(self.folder.iterdir())]
            body = json.dumps({"id": "acme/tiny", "sha": self.commit, "siblings": files}).encode()
        elif self.path.startswith("/acme/tiny/resolve/"):
            body = (self.folder / self.path.rsplit("/", 1)[1]).read_bytes()
        else:
            self.send_response(401)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", '"' + str(hash(body)) + '"')
        self.send_header("X-Repo-Commit", self.commit)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def hub(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub on this machine; the folder of its one model."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, tiny_folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield tiny_folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_tiny_model_is_the_same_to_the_byte_for_the_same_seed(store: Store) -> None:
    write_catalogue(store)
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        fetch(store, source="tiny", model=name, seed=seed, tiny_width=32, tiny_layers=1)
    one, same, other = (
        {file: item.sha256 for file, item in runs.base_model(store, name).manifest.files.items()}
        for name in ("one", "same", "other")
    )
    assert one == same
    assert {name for name in one if one[name] != other[name]} == {"model.safetensors"}
    assert {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"} < set(one)


def test_the_tiny_model_loads_in_plain_transformers_and_says_what_it_is(store: Store, tiny_folder: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(tiny_folder), AutoTokenizer.from_pretrained(tiny_folder)
    figures = runs.base_model(store, "base").manifest.figures
    assert figures["parameters"] == model.num_parameters()
    assert figures["vocabulary"] == len(tokenizer) <= model.config.vocab_size
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 1, 2)
    tokens = tokenizer("Blue Kettle  12 cm").input_ids
    assert tokens[-1] == 1
    assert tokenizer.decode(tokens, skip_special_tokens=True) == "Blue Kettle 12 cm"


def test_a_given_tokenizer_from_a_folder_or_s3_becomes_the_models(store: Store, tiny_folder: Path) -> None:
    for name in files.TOKENIZER_FILES[:2]:
        store.upload(f"raw/tokenizer/{name}", tiny_folder / name)
    fetch(store, source="tiny", model="from-folder", tokenizer=str(tiny_folder), tiny_width=32, tiny_layers=1)
    fetch(store, source="tiny", model="from-s3", tokenizer=f"{store.url}/raw/tokenizer", tiny_width=32, tiny_layers=1)
    base, folder, s3 = (runs.base_model(store, name).manifest.files for name in ("base", "from-folder", "from-s3"))
    assert base["tokenizer.json"].sha256 == folder["tokenizer.json"].sha256 == s3["tokenizer.json"].sha256
    assert folder["model.safetensors"].sha256 == s3["model.safetensors"].sha256


def test_a_model_from_a_folder_or_s3_is_stored_as_it_is_without_what_is_pickled(
    store: Store, tiny_folder: Path
) -> None:
    (tiny_folder / "pytorch_model.bin").write_bytes(b"never read")
    for path in tiny_folder.iterdir():
        store.upload(f"raw/model/{path.name}", path)
    fetch(store, source=str(tiny_folder), model="from-folder")
    fetch(store, source=f"{store.url}/raw/model/", model="from-s3")
    base, folder, s3 = (runs.base_model(store, name).manifest.files for name in ("base", "from-folder", "from-s3"))
    assert {name: item.sha256 for name, item in base.items()} == {name: item.sha256 for name, item in folder.items()}
    assert {name: item.sha256 for name, item in base.items()} == {name: item.sha256 for name, item in s3.items()}


def test_weights_in_several_files_are_taken_whole(store: Store, tiny_folder: Path, tmp_path: Path) -> None:
    model = models.load(tiny_folder)
    model.save_pretrained(tmp_path / "parts", max_shard_size="50KB")
    files.copy_tokenizer(tiny_folder, tmp_path / "parts")
    fetch(store, source=str(tmp_path / "parts"), model="parts")
    stored = runs.base_model(store, "parts")
    assert len([name for name in stored.names("model") if name.endswith(".safetensors")]) > 1
    assert models.count_parameters(models.load(stored.fetch_all(tmp_path / "again"))) == models.count_parameters(model)


def test_a_second_time_finds_it_done_and_another_source_is_refused(store: Store, tiny_folder: Path) -> None:
    before = runs.base_model(store, "base").manifest
    fetch(store, source="tiny", tiny_width=32, tiny_layers=1)
    assert runs.base_model(store, "base").manifest == before
    with pytest.raises(ConfigurationError, match="tiny_width was 32, now 64"):
        fetch(store, source="tiny", tiny_layers=1)


def test_a_model_of_the_hub_is_taken_without_what_is_pickled(store: Store, hub: Path) -> None:
    (hub / "pytorch_model.bin").write_bytes(b"never read")
    fetch(store, source="acme/tiny", model="from-hub")
    assert set(runs.base_model(store, "from-hub").manifest.files) == set(runs.base_model(store, "base").manifest.files)


def test_a_model_that_the_hub_does_not_have_is_a_configuration_error(store: Store, hub: Path) -> None:
    with pytest.raises(ConfigurationError, match="the hub has no model 'acme/unknown'"):
        fetch(store, source="acme/unknown", model="unknown")


def test_a_hub_out_of_reach_is_worth_another_try(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NotReadyError, match="hub cannot be reached"):
        fetch(store, source="acme/tiny")


@pytest.mark.parametrize("source", ["/no/such/folder", "./nothing", "not a name"])
def test_a_source_that_is_not_there_is_a_configuration_error(store: Store, source: str) -> None:
    with pytest.raises(ConfigurationError, match="--source"):
        fetch(store, source=source)


def test_an_s3_prefix_without_a_model_is_a_configuration_error(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="holds no"):
        fetch(store, source=f"{store.url}/raw/nothing")


def test_a_folder_that_is_no_model_is_a_bad_input_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no readable config\.json"):
        fetch(store, source=str(tmp_path))
    assert not list(store.objects("models/"))


def test_a_tokenizer_too_large_for_the_model_is_a_bad_input(store: Store, tiny_folder: Path, tmp_path: Path) -> None:
    config = json.loads((tiny_folder / "tokenizer.json").read_text())
    config["model"]["vocab"] |= {f"zzz{number}": len(config["model"]["vocab"]) + number for number in range(200)}
    (tiny_folder / "tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="do not belong together"):
        fetch(store, source=str(tiny_folder), model="mixed")


def test_a_tokenizer_for_a_model_that_has_one_is_refused() -> None:
    with pytest.raises(ValueError, match="--tokenizer goes with --source tiny alone"):
        fetch_model_settings.Settings.model_validate({"source": "google/flan-t5-small", "tokenizer": "somewhere"})


def test_a_folder_is_told_by_its_files_wherever_it_lies(store: Store, tiny_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    fetch(store, source=str(tiny_folder), model="mine")
    moved = tmp_path / "moved"
    tiny_folder.rename(moved)
    fetch(store, source=str(moved), model="mine")  # the same files: done
    weights = load_file(moved / "model.safetensors")
    weights["lm_head.weight"] *= 1.01
    save_file(weights, moved / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigurationError, match="files was"):
        fetch(store, source=str(moved), model="mine")
