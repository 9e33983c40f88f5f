"""The check of a GPU that a job requires, without one."""

import ctypes
from pathlib import Path

import pytest
import torch

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.t5 import gpu


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the devices of a machine whose torch is built for CUDA and can use no GPU."""
    monkeypatch.setattr(gpu, "_DEVICES", tmp_path)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return tmp_path


def test_a_pod_without_a_gpu_is_a_wrong_setting(devices: Path) -> None:
    (devices / "nvidiactl").touch()
    with pytest.raises(ConfigurationError, match=r"CUDA 13\.0\) finds no GPU: check that nvidia\.com/gpu"):
        gpu.require(True)


def test_a_torch_without_cuda_is_a_wrong_setting(devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (devices / "nvidia0").touch()
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(ConfigurationError, match=r"CUDA none\) finds no GPU.*the gpu image"):
        gpu.require(True)


def test_a_gpu_that_does_not_work_is_not_ready(devices: Path) -> None:
    (devices / "nvidia0").touch()
    with pytest.raises(NotReadyError, match=r"does not work \(torch cannot use it\)\. The job is run again"):
        gpu.require(True)
    with pytest.raises(NotReadyError, match="does not work"):
        gpu.describe(required=True)


def test_a_gpu_that_cannot_be_initialized_is_not_ready(devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(device: int) -> None:
        raise RuntimeError("uncorrectable ECC error encountered")

    (devices / "nvidia3").touch()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", fail)
    with pytest.raises(NotReadyError, match="uncorrectable ECC error"):
        gpu.require(True)


def test_a_missing_gpu_that_is_not_required_is_described(devices: Path) -> None:
    gpu.require(False)
    assert "CPU cores" in gpu.describe(required=False)


def test_requiring_a_gpu_loads_no_cublas_and_describing_it_does(devices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, mode: int) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: None)
    monkeypatch.setattr(ctypes, "CDLL", missing)
    gpu.require(True)
    with pytest.raises(ConfigurationError, match=r"libcublasLt\.so\.12"):
        gpu.describe(required=True)
