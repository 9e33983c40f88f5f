"""The table of GPUs: each name finds its own row, as does the product name that torch reports."""

from typing import get_args

import pytest

from jobs.train import gpus
from jobs.train.gpus import GPUS, GpuName


def test_each_name_finds_its_own_gpu() -> None:
    assert {gpu.name for gpu in GPUS} == set(get_args(GpuName))
    assert all(gpus.find(gpu.name) == gpus.by_name(gpu.name) == gpu for gpu in GPUS)


@pytest.mark.parametrize(
    ("product", "name", "gigabytes"),
    [
        ("NVIDIA L4", "L4", 24),
        ("NVIDIA A10G", "A10G", 24),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB", 40),
        ("NVIDIA A100 80GB PCIe", "A100-80GB", 80),
        ("NVIDIA A100X", None, 0),
        ("NVIDIA H100 NVL", "H100-NVL", 94),
        ("NVIDIA H200", "H200", 141),
        (None, None, 0),
    ],
)
def test_a_product_name_finds_the_memory_of_its_variant(product: str | None, name: str | None, gigabytes: int) -> None:
    found = gpus.find(product)
    assert (found and found.name, found.memory_bytes / 1e9 if found else 0) == (name, gigabytes)
