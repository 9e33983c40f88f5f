"""`doctor` says what works; a failed check says what to do, and has the right exit code."""

import ctypes

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
    with pytest.raises(ConfigurationError, match=r"libcublasLt\.so\.12.*skuscribe\[gpu\]"):
        gpu.load_cublas()
