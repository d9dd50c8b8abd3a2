"""What a device can do at most: a GPU by its data sheet, a processor by a product of matrices, measured here."""

from __future__ import annotations

import torch

from tests.benchmarks.records import seconds

# Dense operations a second, without sparsity, by the name that CUDA gives; float32 without TF32, as PyTorch multiplies
# by default. Data sheets of NVIDIA (H100 of 2023, H200 and B200 of 2024, A100 of 2021, L40S of 2023).
GPU_PEAKS = {
    "NVIDIA H200": {"float32": 67e12, "bfloat16": 989e12},
    "NVIDIA H100 80GB HBM3": {"float32": 67e12, "bfloat16": 989e12},
    "NVIDIA H100 PCIe": {"float32": 51e12, "bfloat16": 756e12},
    "NVIDIA B200": {"float32": 75e12, "bfloat16": 2250e12},
    "NVIDIA A100-SXM4-40GB": {"float32": 19.5e12, "bfloat16": 312e12},
    "NVIDIA A100-SXM4-80GB": {"float32": 19.5e12, "bfloat16": 312e12},
    "NVIDIA A100-PCIE-40GB": {"float32": 19.5e12, "bfloat16": 312e12},
    "NVIDIA A100 80GB PCIe": {"float32": 19.5e12, "bfloat16": 312e12},
    "NVIDIA L40S": {"float32": 91.6e12, "bfloat16": 362e12},
}
SIDE, PRODUCTS = 1024, 5


def peak_of(dtype: str) -> float | None:
    """Operations a second in this dtype at most, None for a GPU that the table lacks.

    On a processor those of the fastest of a few products of square matrices, in as many threads as this process uses
    and in the seconds of `seconds()`, which add up over threads.
    """
    if torch.cuda.is_available():
        return GPU_PEAKS.get(torch.cuda.get_device_name(), {}).get(dtype)
    left, right = (torch.rand(SIDE, SIDE).to(getattr(torch, dtype)) for _ in range(2))
    fastest = float("inf")
    for _ in range(PRODUCTS + 1):  # the first warms up
        started = seconds()
        left @ right
        fastest = min(fastest, seconds() - started)
    return 2 * SIDE**3 / fastest
