"""The device and the precision that text is generated with, and what of it determines the text."""

from dataclasses import asdict, dataclass
from typing import Any

import ctranslate2

from jobs.process import threads
from jobs.process.errors import ConfigurationError
from jobs.t5.settings import Decoding, Precision

CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 8_192, 131_072


@dataclass(frozen=True)
class InferenceDevice:
    """Where text is generated. `workers`: batches at the same time; `batch_tokens`: padded tokens per batch."""

    name: str
    precision: str
    workers: int
    batch_tokens: int


def choose_device(precision: Precision, batch_tokens: int = 0) -> InferenceDevice:
    """Return the GPU if there is one, else the CPU with a worker per core. `batch_tokens`: 0 takes the device's default.

    Errors: `ConfigurationError` (78) if the CPU does not support the precision.
    """
    if ctranslate2.get_cuda_device_count():
        return InferenceDevice(
            "cuda", "bfloat16" if precision == "auto" else precision, 1, batch_tokens or GPU_BATCH_TOKENS
        )
    chosen = "int8" if precision == "auto" else precision
    supported = sorted(ctranslate2.get_supported_compute_types("cpu"))
    if chosen not in supported:
        raise ConfigurationError(
            f"--precision {chosen} is not supported by this CPU; it supports {', '.join(supported)}"
        )
    return InferenceDevice("cpu", chosen, threads.cpus(), batch_tokens or CPU_BATCH_TOKENS)


def generation_config(precision: Precision, prompt_max_tokens: int, decoding: Decoding) -> dict[str, Any]:
    """Return what determines the generated text, as manifests record it. Workers and batch sizes do not change it."""
    return {
        "prompt_max_tokens": prompt_max_tokens,
        "precision": choose_device(precision).precision,
        **asdict(decoding),
    }
