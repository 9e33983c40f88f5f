"""The GPU that a job was promised: it works, or the job says what is missing before a CPU computes for days."""

import ctypes
import importlib.util
import os
from pathlib import Path

from jobs.process.errors import ConfigurationError

_CUBLAS = ("libcublasLt.so.12", "libcublas.so.12")


def described(*, required: bool) -> str:
    """The GPUs that torch can use, in words. Errors: `ConfigurationError` (78) where one is required and there is none."""
    import torch

    if torch.cuda.is_available():
        load_cublas()
        memory = torch.cuda.get_device_properties(0).total_memory / 1e9
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}, {memory:.0f} GB, {bf16}"
    if required:
        raise ConfigurationError(
            f"no GPU that torch {torch.__version__} (CUDA {torch.version.cuda or 'none'}) can use: is nvidia.com/gpu in the "
            "pod's limits, is the node's driver new enough for this CUDA, and is this the gpu image?"
        )
    return f"none (torch {torch.__version__}): training and describing use {os.cpu_count()} CPU cores"


def require(required: bool) -> None:
    """Check the GPU if one is required. Errors: `ConfigurationError` (78) if none works."""
    if required:
        described(required=True)


def load_cublas() -> None:
    """Load the cuBLAS that CTranslate2 calls: that of CUDA 12, from its package, for torch brings that of CUDA 13.

    Errors: `ConfigurationError` (78) where neither the package nor the system has it.
    """
    found = importlib.util.find_spec("nvidia.cublas") if importlib.util.find_spec("nvidia") else None
    folders = [Path(place) / "lib" for place in found.submodule_search_locations or ()] if found else []
    for name in _CUBLAS:
        beside = next((folder / name for folder in folders if (folder / name).exists()), None)
        try:
            ctypes.CDLL(str(beside or name), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise ConfigurationError(
                f"CTranslate2 needs {name} on a GPU, and it cannot be loaded ({error}): pip install 'skuscribe[gpu]'"
            ) from error
