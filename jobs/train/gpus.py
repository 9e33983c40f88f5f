"""The GPUs whose speed and memory are known. Needs no torch: the settings of `estimate` read it."""

from dataclasses import dataclass
from typing import Literal

GpuName = Literal[
    "H200", "H100-PCIe", "H100-NVL", "H100", "A100-80GB", "A100-40GB", "A100", "A10G", "L4"
]  # fmt: skip


@dataclass(frozen=True)
class Gpu:
    """A GPU as its vendor's data sheet describes it.

    `peak_operations`: dense bfloat16 peak, in floating-point operations per second. `memory_bytes`: the memory, of which a driver
    reserves some.
    """

    name: GpuName
    peak_operations: float
    memory_bytes: float


GPUS = (
    Gpu("H200", 989e12, 141e9), Gpu("H100-PCIe", 756e12, 80e9), Gpu("H100-NVL", 835e12, 94e9), Gpu("H100", 989e12, 80e9),
    Gpu("A100-80GB", 312e12, 80e9), Gpu("A100-40GB", 312e12, 40e9), Gpu("A100", 312e12, 40e9), Gpu("A10G", 70e12, 24e9),
    Gpu("L4", 121e12, 24e9),
)  # fmt: skip
"""In the order in which `find()` compares them: a variant before the name that it contains."""


def by_name(name: GpuName) -> Gpu:
    """Return the GPU of this name."""
    return next(gpu for gpu in GPUS if gpu.name == name)


def find(name: str | None) -> Gpu | None:
    """Return the GPU of this name, or of the product name that torch reports; None for an unknown GPU, or no GPU."""
    words = _words(name or "")
    return next((gpu for gpu in GPUS if _words(gpu.name) <= words), None)


def _words(name: str) -> set[str]:
    return set(name.replace("-", " ").split())
