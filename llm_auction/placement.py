"""Where a language model of this process runs, and in which precision, where the profile leaves that to the machine."""

from __future__ import annotations


def placement(device: str, dtype: str, field: str) -> tuple[str, str]:
    """The torch device and dtype to use on this machine; `auto` is a GPU where there is one, and bfloat16 on it.

    Args:
        field: of the profile that asks for the device, which the error names.

    Raises:
        ValueError: a CUDA device was asked for, and there is none.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"{field} is {device}, but PyTorch {torch.__version__} sees no CUDA GPU here: set {field} to "
            "auto or cpu, or install a PyTorch with CUDA and check that nvidia-smi lists the GPU"
        )
    if dtype == "auto":
        dtype = "bfloat16" if device.startswith("cuda") else "float32"
    return device, dtype
