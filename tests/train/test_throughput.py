"""The peak of a GPU is that of its own variant."""

import pytest

from jobs.train.throughput import peak_operations


@pytest.mark.parametrize(
    ("gpu", "peak"),
    [
        ("NVIDIA L4", 121e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 NVL", 835e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", None),
        (None, None),
    ],
)
def test_the_peak_is_that_of_the_variant(gpu: str | None, peak: float | None) -> None:
    assert peak_operations(gpu) == peak
