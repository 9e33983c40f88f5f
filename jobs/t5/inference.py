"""The device and the precision that text is generated with, and what of it determines the text."""

from dataclasses import asdict, dataclass
from typing import Any

import ctranslate2

from jobs.process import threads
from jobs.process.errors import ConfigurationError, NotReadyError
from jobs.t5.settings import Decoding, Precision

CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 8_192, 131_072


@dataclass(frozen=True)
class InferenceDevice:
    """Where text is generated. `workers`: batches at the same time; `batch_tokens`: padded tokens per batch."""

    name: str
    precision: str
    workers: int
    batch_tokens: int


def choose_device(precision: Precision, batch_tokens: int = 0, *, require_gpu: bool = False) -> InferenceDevice:
    """Return the GPU if there is one, else the CPU with a worker per core. `batch_tokens`: 0 takes the device's default.

    It only counts the GPUs: whoever loads a model calls `gpu.require` too, which initializes CUDA.

    Errors: `ConfigurationError` (78) if the device does not support the precision; those of `gpu.require` if a GPU is required and
    CTranslate2 finds none.
    """
    has_gpu = ctranslate2.get_cuda_device_count() > 0
    if require_gpu and not has_gpu:
        from jobs.t5 import gpu  # noqa: PLC0415 - loads torch, which "already done" does not need

        gpu.require(True)
        raise NotReadyError(
            "CTranslate2 finds no GPU, though torch does: the driver of this node does not work as it should"
        )
    name, fastest, batch = ("cuda", "bfloat16", GPU_BATCH_TOKENS) if has_gpu else ("cpu", "int8", CPU_BATCH_TOKENS)
    supported = sorted(ctranslate2.get_supported_compute_types(name))
    chosen: str = precision
    if precision == "auto":
        chosen = fastest if fastest in supported else "float32"
    if chosen not in supported:
        raise ConfigurationError(
            f"--precision {chosen} is not supported by this {'GPU' if has_gpu else 'CPU'}; it supports {', '.join(supported)}"
        )
    return InferenceDevice(name, chosen, 1 if has_gpu else threads.cpus(), batch_tokens or batch)


def generation_config(
    precision: Precision, prompt_max_tokens: int, decoding: Decoding, *, require_gpu: bool
) -> dict[str, Any]:
    """Return what determines the generated text, as manifests record it. Workers and batch sizes change its score by rounding only.

    Errors: those of `choose_device`. The precision depends on the device: on a node whose GPU does not work, a batch would look as if it
    had other settings.
    """
    return {
        "prompt_max_tokens": prompt_max_tokens,
        "precision": choose_device(precision, require_gpu=require_gpu).precision,
        **asdict(decoding),
    }
