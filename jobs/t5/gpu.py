"""The GPU that a job requires: it works, or the job says what is missing before a CPU computes for days."""

import ctypes
import importlib.util
from pathlib import Path

import torch

from jobs.process import threads
from jobs.process.errors import ConfigurationError, NotReadyError

_CUBLAS = ("libcublasLt.so.12", "libcublas.so.12")
_DEVICES = Path("/dev")


def describe(*, required: bool) -> str:
    """Return a phrase about the GPUs that torch and CTranslate2 can use.

    Errors: those of `require` if one is required, and of `load_cublas`.
    """
    require(required)
    if not torch.cuda.is_available():
        return f"none (torch {torch.__version__}): training and describing use {threads.cpus()} CPU cores"
    load_cublas()
    memory = torch.cuda.get_device_properties(0).total_memory / 1e9
    bf16 = "bf16" if has_bf16() else "no bf16"
    return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}, {memory:.0f} GB, {bf16}"


def require(required: bool) -> None:
    """Check that torch can use a GPU, if one is required.

    Errors: `ConfigurationError` (78) if the image or the pod has none, `NotReadyError` (75) if the GPU of this node does not work.
    """
    if not required:
        return
    reason = "torch cannot use it"
    if torch.cuda.is_available():
        try:
            torch.cuda.get_device_properties(0)  # initializes CUDA, which is_available() does not
            return
        except RuntimeError as error:
            reason = str(error)
    version = f"torch {torch.__version__} (CUDA {torch.version.cuda or 'none'})"
    if torch.version.cuda is None or not any(_DEVICES.glob("nvidia[0-9]*")):
        raise ConfigurationError(
            f"{version} finds no GPU: check that nvidia.com/gpu is in the pod's limits, and that this is the gpu image"
        )
    raise NotReadyError(
        f"{version}: the GPU of this node or its driver does not work ({reason}). The job is run again; if the node stays "
        "broken, run it on another one"
    )


def has_bf16() -> bool:
    """Return whether the GPU computes in bfloat16. Before Ampere, torch would emulate it, slowly."""
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def load_cublas() -> None:
    """Load the cuBLAS of CUDA 12 that CTranslate2 calls, from its package: torch brings the one of CUDA 13.

    Errors: `ConfigurationError` (78) if neither the package nor the system has it.
    """
    package = importlib.util.find_spec("nvidia.cublas") if importlib.util.find_spec("nvidia") else None
    folders = [Path(location) / "lib" for location in package.submodule_search_locations or ()] if package else []
    for name in _CUBLAS:
        packaged = next((folder / name for folder in folders if (folder / name).exists()), None)
        try:
            ctypes.CDLL(str(packaged or name), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise ConfigurationError(
                f"CTranslate2 needs {name} on a GPU, and it cannot be loaded ({error}): run pip install '.[gpu]' in a checkout of "
                "skuscribe"
            ) from error
