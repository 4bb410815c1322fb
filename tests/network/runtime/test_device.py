from __future__ import annotations

import pytest
import torch
from torch import nn

from emopms.errors import RunError
from emopms.network.runtime import device as device_module
from emopms.network.runtime.device import Device, in_layout


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_cuda")
def test_cuda_that_is_not_there_is_refused() -> None:
    with pytest.raises(RunError, match="no CUDA device") as caught:
        Device.choose("cuda")
    assert "--device" in caught.value.remedy


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize("name", ["auto", "cpu"])
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("int8", [False, True])
def test_the_processor_uses_the_numbers_it_has(
    name: str, bf16: bool, int8: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_module, "cpu_has_bf16", lambda: bf16)
    monkeypatch.setattr(device_module, "cpu_has_vnni", lambda: int8)
    assert Device.choose(name) == Device("cpu", bf16=bf16, int8=int8)


@pytest.mark.parametrize(("name", "type_"), [("auto", "cuda"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_cuda_is_taken_where_it_is(name: str, type_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: not including_emulation)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    assert Device.choose(name).type == type_
    assert torch.backends.cudnn.deterministic == (type_ == "cuda"), "same seed, same machine, same result"


@pytest.mark.parametrize(("bf16", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_autocast_is_on_with_bf16_alone(bf16: bool, dtype: torch.dtype) -> None:
    with Device("cpu", bf16=bf16).autocast():
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == dtype
    assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == torch.float32


def test_networks_and_images_lie_channels_last_with_the_same_values() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    images = torch.randn(2, 3, 4, 4)
    expected = network(images)
    placed = Device("cpu").place(network)
    assert placed is network
    assert network.get_parameter("0.weight").is_contiguous(memory_format=torch.channels_last)
    moved = Device("cpu").images(images)
    assert moved.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(moved, images)
    torch.testing.assert_close(placed(moved), expected)
    in_layout(network, torch.contiguous_format)
    assert network.get_parameter("0.weight").is_contiguous()


@pytest.mark.parametrize(("bf16", "text"), [(False, "cpu, fp32"), (True, "cpu, bf16")])
def test_a_device_names_itself(bf16: bool, text: str) -> None:
    assert str(Device("cpu", bf16=bf16)) == text


@pytest.mark.parametrize(
    ("stride", "kernel", "size", "bf16"), [(2, 3, 1, False), (2, 3, 2, True), (2, 1, 1, True), (3, 5, 2, False)]
)
def test_networks_whose_bf16_gradients_are_noise_run_in_fp32(stride: int, kernel: int, size: int, bf16: bool) -> None:
    """Whose strides exceed their feature maps: see `_strides_past_its_input`."""
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, kernel, stride=stride, padding=kernel // 2))
    example = torch.zeros(2, 3, size, size)
    assert Device("cpu", bf16=True).fitted(network, example).bf16 is bf16
    assert not Device("cpu", bf16=False).fitted(network, example).bf16


def test_training_in_the_format_that_fits_gives_finite_gradients() -> None:
    network = nn.Conv2d(16, 16, 3, stride=2, padding=1)
    images = torch.randn(32, 16, 1, 1, generator=torch.Generator().manual_seed(0))
    device = Device("cpu", bf16=True).fitted(network, images)
    for _ in range(20):
        network.zero_grad()
        _ = [torch.full((size,), 1e30) for size in (1000, 5000, 20000)]  # what uninitialised memory may hold
        with device.autocast():
            loss = network(images).float().square().mean()
        loss.backward()
        assert network.weight.grad is not None
        assert float(network.weight.grad.abs().max()) < 10


@pytest.mark.parametrize("name", ["cuda:1", "gpu", "", "CPU", "mps"])
def test_no_other_device_is_taken_for_the_cpu(name: str) -> None:
    with pytest.raises(RunError, match="There is no device") as error:
        Device.choose(name)
    assert "CUDA_VISIBLE_DEVICES" in error.value.remedy
