"""The device that a model is trained on."""

import os
from dataclasses import dataclass

import torch

from jobs.t5 import gpu


@dataclass(frozen=True)
class TrainingDevice:
    """The device of a training. `name` is torch's, `gpu` the GPU's product name.

    `bf16`: matrix products in bfloat16, weights and sums in float32.
    """

    name: str
    gpu: str | None
    bf16: bool


def select_device(*, require_gpu: bool = False) -> TrainingDevice:
    """Return the first GPU if torch can use one, else the CPU. On a GPU, turn on torch's deterministic algorithms.

    Errors: those of `gpu.require`.
    """
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # with several GPUs, Seq2SeqTrainer would split the batches
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, results of cuBLAS differ between runs
    # A GPU that does not work is no reason to train on the CPU for days.
    gpu.require(require_gpu or torch.cuda.is_available())
    if not torch.cuda.is_available():
        return TrainingDevice("cpu", None, bf16=False)
    _use_deterministic_algorithms()
    return TrainingDevice("cuda", torch.cuda.get_device_name(0), gpu.has_bf16())


def _use_deterministic_algorithms() -> None:
    """Make every operation of a training give the same bits each time.

    Attention is computed by matrix products: the backward passes of the fused kernels add up their parts in any order, also
    with torch's deterministic algorithms if these only warn.
    """
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True, warn_only=True)
    for enable in (
        torch.backends.cuda.enable_flash_sdp,
        torch.backends.cuda.enable_mem_efficient_sdp,
        torch.backends.cuda.enable_cudnn_sdp,
    ):
        enable(False)
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(True)  # else it would multiply in float32
