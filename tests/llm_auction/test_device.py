"""Where a model of this process runs; what isn't there is refused before a model is loaded."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from llm_auction.device import device_and_dtype


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda **_: SimpleNamespace(type="cuda"))
    monkeypatch.setattr("torch.accelerator.device_count", lambda: 1)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda **_: None)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("device", ["mps", "gpu0", "cud", "xpu", "meta", ""])
def test_a_device_that_is_not_here_names_the_field(device: str) -> None:
    with pytest.raises(ValueError, match=rf"engine\.device is {device}, which is no device that PyTorch .* has here"):
        device_and_dtype(device, "auto", "engine.device")


@pytest.mark.usefixtures("no_gpu")
def test_the_processor_is_always_there() -> None:
    for device in ("auto", "cpu"):
        assert device_and_dtype(device, "auto", "engine.device") == ("cpu", "float32")


@pytest.mark.usefixtures("one_gpu")
def test_one_gpu_of_one() -> None:
    assert device_and_dtype("auto", "auto", "engine.device") == ("cuda", "bfloat16")
    assert device_and_dtype("cuda:0", "float32", "engine.device") == ("cuda:0", "float32")
    with pytest.raises(ValueError, match=r"engine\.device is cuda:1, which is no device"):
        device_and_dtype("cuda:1", "auto", "engine.device")
