"""Where a language model of this process runs, and in which precision, where the profile leaves that to the machine."""

from __future__ import annotations


def device_and_dtype(device: str, dtype: str, field: str) -> tuple[str, str]:
    """The torch device and dtype to use on this machine; `auto` is a GPU where there is one, and bfloat16 on it.

    Args:
        field: of the profile that asks for the device, which the error names.

    Raises:
        ValueError: there is no such device here, or it is no device's name.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"{field} is {device}, but PyTorch {torch.__version__} sees no CUDA GPU here: set {field} to "
            "auto or cpu, or install a PyTorch with CUDA and check that nvidia-smi lists the GPU"
        )
    if not _is_here(device):
        raise ValueError(
            f"{field} is {device}, which is no device that PyTorch {torch.__version__} has here: set {field} to auto, "
            "cpu, cuda, mps, or to one of several GPUs as in cuda:1"
        )
    if dtype == "auto":
        dtype = "bfloat16" if device.startswith("cuda") else "float32"
    return device, dtype


def _is_here(name: str) -> bool:
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        return False
    if device.type == "cpu":
        return True
    there = torch.accelerator.current_accelerator(check_available=True)
    return there is not None and device.type == there.type and (device.index or 0) < torch.accelerator.device_count()
