"""`doctor` says what works; a failed check says what to do, and has the right exit code."""

import ctypes
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from jobs.database import migrations
from jobs.doctor import checks, job
from jobs.doctor.settings import Settings
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import artifact, layout
from jobs.storage.layout import Kind
from jobs.storage.store import Store
from jobs.t5 import gpu


def test_every_check_passes_here(
    environment: dict[str, str], database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job.run(Settings(minimum_disk=0.1, minimum_memory=0.1))
    text = capsys.readouterr().out
    assert text.count("ok  ") == 7
    assert "wrote, read, listed and deleted" in text
    assert "pgvector 0." in text
    assert environment["PGPASSWORD"] not in text


def test_a_wrong_password_is_a_wrong_setting_and_not_shown(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "not-the-password")
    with pytest.raises(ConfigurationError) as caught:
        checks.postgres()
    assert "not-the-password" not in str(caught.value)


def test_services_that_do_not_run_are_not_ready(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("PGPORT", "9")
    with pytest.raises(NotReadyError, match="3 of 7 checks failed: S3, model, Postgres"):
        job.run(Settings(minimum_disk=0, minimum_memory=0))
    assert capsys.readouterr().out.count("FAIL") == 3


def test_a_wrong_setting_takes_precedence_over_a_missing_service(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "not-the-password")
    with pytest.raises(ConfigurationError, match="2 of 7 checks failed: Postgres, disk"):
        job.run(Settings(minimum_disk=1e9, minimum_memory=0))


def test_too_little_disk_or_memory_says_how_much_is_free() -> None:
    with pytest.raises(NotReadyError, match="GB free in"):
        checks.disk(1e9)
    with pytest.raises(NotReadyError, match="memory free"):
        checks.memory(1e9)


V2 = {"memory.max": "300000000\n", "memory.current": "290000000\n", "memory.stat": "anon 40\ninactive_file 190000000\n"}
V1 = {
    "memory/memory.limit_in_bytes": "300000000\n",
    "memory/memory.usage_in_bytes": "290000000\n",
    "memory/memory.stat": "inactive_file 40\ntotal_inactive_file 190000000\n",
}


def write_cgroup(folder: Path, files: Mapping[str, str]) -> Path:
    (folder / "memory").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "files", [V2, V1, {**V1, **V2, "memory/memory.limit_in_bytes": "1\n"}], ids=["v2", "v1", "both"]
)
def test_the_page_cache_of_a_cgroup_is_free_memory(tmp_path: Path, files: Mapping[str, str]) -> None:
    assert checks.memory(0.1, write_cgroup(tmp_path, files)) == "0.2 GB free"


def test_the_page_cache_that_is_in_use_is_not_free_memory(tmp_path: Path) -> None:
    files = {**V2, "memory.stat": "inactive_file 0\nactive_file 190000000\n"}
    with pytest.raises(NotReadyError, match=r"0\.0 GB of memory free, expected 0\.1"):
        checks.memory(0.1, write_cgroup(tmp_path, files))


@pytest.mark.parametrize(
    "files", [{}, {"memory.max": "max\n"}, {**V1, "memory/memory.limit_in_bytes": f"{2**63 - 4096}\n"}]
)
def test_without_a_limit_the_memory_of_the_machine_counts(tmp_path: Path, files: Mapping[str, str]) -> None:
    with pytest.raises(NotReadyError, match="of memory free, expected 1000000") as caught:
        checks.memory(1e6, write_cgroup(tmp_path, files))
    assert not str(caught.value).startswith("0.")


def test_a_base_model_that_lacks_a_file_is_reported(store: Store) -> None:
    assert "none yet" in checks.base_models(store.url)
    with artifact.draft(store, layout.model_path("base"), Kind.MODEL, {}, {}) as draft:
        draft.add_bytes("config.json", b"{}")
        model = draft.commit({"parameters": 1234})
    assert checks.base_models(store.url) == "base, complete, 1,234 parameters"
    store.delete(f"{model.path}/{model.manifest.files['config.json'].key}")
    with pytest.raises(NotReadyError, match=r"is missing.*fetch-model"):
        checks.base_models(store.url)


@pytest.mark.parametrize(
    ("version", "message"), [("0.7.0", r"0\.8\.4 or newer is needed"), (None, "CREATE EXTENSION vector")]
)
def test_an_old_or_missing_pgvector_fails_the_check(
    database: str, monkeypatch: pytest.MonkeyPatch, version: str | None, message: str
) -> None:
    monkeypatch.setattr(migrations, "pgvector_version", lambda _connection: version)
    with pytest.raises(ConfigurationError, match=message):
        checks.postgres()


def test_a_missing_gpu_is_an_error_only_where_it_is_required() -> None:
    if torch.cuda.is_available():
        assert "GB" in gpu.describe(required=True)
    else:
        assert "CPU cores" in gpu.describe(required=False)
        with pytest.raises(ConfigurationError, match=r"nvidia\.com/gpu"):
            gpu.describe(required=True)


def test_a_missing_cublas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, mode: int) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(ConfigurationError, match=r"libcublasLt\.so\.12.*pip install '\.\[gpu\]'"):
        gpu.load_cublas()
