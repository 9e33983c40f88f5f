"""The device that a model is trained on."""

from collections.abc import Iterator

import pytest
import torch

from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.train import device

CUDA = torch.backends.cuda
FUSED = ("flash", "mem_efficient", "cudnn")


def enabled(kernel: str) -> bool:
    return bool(getattr(CUDA, f"{kernel}_sdp_enabled")())


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A GPU, as torch reports it; afterwards torch is as it was."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _index: None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: not including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _index: "NVIDIA L4")
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    before = {kernel: enabled(kernel) for kernel in FUSED}
    yield
    torch.use_deterministic_algorithms(False)
    CUDA.allow_fp16_bf16_reduction_math_sdp(False)
    for kernel, value in before.items():
        getattr(CUDA, f"enable_{kernel}_sdp")(value)


def test_on_a_gpu_no_operation_whose_results_vary_is_used(gpu: None) -> None:
    assert device.select_device() == device.TrainingDevice("cuda", "NVIDIA L4", bf16=True)
    assert torch.are_deterministic_algorithms_enabled()
    assert [kernel for kernel in (*FUSED, "math") if enabled(kernel)] == ["math"]


def test_a_gpu_that_does_not_work_is_no_reason_to_train_on_the_cpu(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_index: int) -> None:
        raise RuntimeError("uncorrectable ECC error encountered")

    monkeypatch.setattr(torch.cuda, "get_device_properties", fail)
    with pytest.raises((ConfigurationError, NotReadyError)):  # without the device's file, a wrong setting
        device.select_device()
