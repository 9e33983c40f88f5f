"""The doctor: what works is said, and what does not comes with what to do and the right exit code."""

import ctypes

import pytest

from jobs.doctor import job as doctor
from jobs.doctor import settings as doctor_settings
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.storage import artifact
from jobs.storage.store import Store
from jobs.t5 import gpu


def findings(monkeypatch: pytest.MonkeyPatch, **chosen: object) -> dict[str, doctor.Finding]:
    return {item.what: item for item in doctor.look(doctor_settings.Settings(**chosen))}  # type: ignore[arg-type]


def test_everything_works_here(environment: dict[str, str], database: str, capsys: pytest.CaptureFixture[str]) -> None:
    doctor.run(doctor_settings.Settings(minimum_disk=0.1, minimum_memory=0.1))
    text = capsys.readouterr().out
    assert text.count("ok  ") == 7
    assert "pgvector 0." in text
    assert environment["PGPASSWORD"] not in text


def test_it_leaves_nothing_in_the_store(store: Store) -> None:
    doctor._s3(store.url)
    assert list(store.objects("")) == []


def test_a_wrong_password_is_a_wrong_setting(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "not-the-password")
    with pytest.raises(ConfigurationError) as caught:
        doctor._postgres()
    assert "not-the-password" not in str(caught.value)


def test_services_that_are_not_there_are_not_ready(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("PGPORT", "9")
    with pytest.raises(NotReadyError, match="checks failed: S3, model, Postgres"):
        doctor.run(doctor_settings.Settings(minimum_disk=0, minimum_memory=0))
    assert capsys.readouterr().out.count("FAIL") == 3


def test_a_gpu_is_missed_only_where_it_is_required() -> None:
    import torch

    if torch.cuda.is_available():
        assert "GB" in gpu.described(required=True)
    else:
        assert "CPU cores" in gpu.described(required=False)
        with pytest.raises(ConfigurationError, match=r"nvidia\.com/gpu"):
            gpu.described(required=True)


def test_too_little_disk_or_memory_says_how_much_there_is() -> None:
    with pytest.raises(NotReadyError, match="GB free in"):
        doctor._disk(1e9)
    with pytest.raises(NotReadyError, match="memory free"):
        doctor._memory(1e9)


def test_a_model_that_lacks_a_file_is_told_of(store: Store) -> None:
    assert "none yet" in doctor._models(store.url)
    with artifact.draft(store, "models/base", "model", {}, {}) as draft:
        draft.add_bytes("config.json", b"{}")
        made = draft.commit({"parameters": 1234})
    assert doctor._models(store.url) == "base, whole, 1,234 parameters"
    store.delete(f"models/base/{made.manifest.files['config.json'].key}")
    with pytest.raises(NotReadyError, match=r"is missing.*fetch-model"):
        doctor._models(store.url)


def test_an_old_pgvector_is_no_sound_postgres(
    environment: dict[str, str], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.database import migrations as postgres

    assert "pgvector 0." in doctor._postgres()
    monkeypatch.setattr(postgres, "pgvector_version", lambda _connection: "0.7.0")
    with pytest.raises(ConfigurationError, match=r"pgvector 0\.8\.4 or newer is needed"):
        doctor._postgres()
    monkeypatch.setattr(postgres, "pgvector_version", lambda _connection: None)
    with pytest.raises(ConfigurationError, match="CREATE EXTENSION vector"):
        doctor._postgres()


def test_a_missing_cublas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, mode: int) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(ConfigurationError, match=r"libcublasLt\.so\.12.*skuscribe\[gpu\]"):
        gpu.load_cublas()
