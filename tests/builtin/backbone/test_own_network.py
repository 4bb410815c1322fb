"""Networks as people have them: wrapped, masked, normalised, lazy. They are made ready, or refused with what helps."""

from __future__ import annotations

import copy
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from emopms.api.own_network import make_ready
from emopms.builtin.backbone.module import Module
from emopms.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = (2, 6, 6)
IMAGES = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(1))


def _plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.Flatten(), nn.Linear(16, 3)
    )


def _built(make: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """What the backbone makes of a user's function."""
    user = ModuleType("a_user")
    user.make = make  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_user", user)
    return Module(factory="a_user:make").build(input_shape=SHAPE, classes=3)


def _scores(network: nn.Module) -> Tensor:
    with torch.no_grad():
        scores: Tensor = copy.deepcopy(network).eval()(IMAGES)
    return scores


def _parallel_inside() -> nn.Module:
    network = _plain()
    network[3] = nn.DataParallel(network[3])
    return network


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.DataParallel(_plain()),
        lambda: torch.compile(_plain()),
        lambda: nn.DataParallel(torch.compile(_plain())),  # type: ignore[type-var]
        _parallel_inside,
        _plain,
    ],
    ids=["parallel", "compiled", "both", "inside", "plain"],
)
def test_wrappers_are_taken_off(make: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    network = _built(make, monkeypatch)
    assert list(network.state_dict()) == list(_plain().state_dict())
    assert torch.equal(_scores(network), _scores(_plain()))


def _normalised(norm: Callable[..., nn.Module], **options: object) -> nn.Module:
    network = _plain()
    norm(network[0], **options)
    norm(network[5], **options)
    return network


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("options", [{}, {"dim": 1}, {"dim": None}], ids=["each output", "each input", "whole"])
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, parametrizations.weight_norm], ids=["old", "new"])
def test_weight_normalisation_is_folded(
    norm: Callable[..., nn.Module], options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    normalised = _normalised(norm, **options)
    with torch.no_grad():
        expected = normalised.eval()(IMAGES)
    network = _built(lambda: _normalised(norm, **options), monkeypatch)
    assert set(network.state_dict()) == set(_plain().state_dict())
    assert not any(parametrize.is_parametrized(module) for module in network.modules())
    assert torch.equal(_scores(network), expected)
    assert network.get_parameter("0.weight").requires_grad


def _lazy() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))


def test_lazy_layers_get_their_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    network = _built(_lazy, monkeypatch)
    assert network.training
    assert network.get_parameter("0.weight").shape == (4, 2, 3, 3)
    assert network.get_parameter("4.weight").shape == (3, 64)
    assert torch.equal(network.get_buffer("1.running_mean"), torch.zeros(4)), "nothing was learnt from the noise"
    torch.manual_seed(5)
    assert torch.equal(_scores(network), _scores(_built(_lazy, monkeypatch)))


class _Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.never = nn.Conv2d(2, 3, 3), nn.LazyLinear(3)

    def forward(self, images: Tensor) -> Tensor:
        return self.used(images).mean((2, 3))  # type: ignore[no-any-return]


def _masked() -> nn.Module:
    network = _plain()
    prune.l1_unstructured(network[3], "weight", amount=0.3)  # type: ignore[no-untyped-call]
    return network


def _spectral() -> nn.Module:
    network = _plain()
    nn.utils.spectral_norm(network[3])
    return network


def _scripted() -> nn.Module:
    network = _plain()
    network[1] = torch.jit.script(network[1])
    return network


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    ("make", "message", "remedy"),
    [
        (
            _masked,
            "The module '3' holds a mask of torch.nn.utils.prune for its weight",
            "prune.remove(module, 'weight')",
        ),
        (_spectral, "The module '3' has its weight normalised", "remove_spectral_norm(module, 'weight')"),
        (_scripted, "The module '1' is TorchScript", "without torch.jit.script"),
        (_Unused, "lazy layers, first 'never'", "Run one batch of images"),
        (
            lambda: nn.Sequential(nn.LazyConv2d(3, 9)),
            "The forward of the network fails on images [2, 6, 6]",
            "Run one",
        ),
    ],
    ids=["mask", "spectral", "scripted", "unused", "too small"],
)
def test_what_cannot_be_made_ready_is_refused(
    make: Callable[[], nn.Module], message: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NetworkError) as caught:
        _built(make, monkeypatch)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_other_parametrizations_stay() -> None:
    network = _plain()
    parametrizations.spectral_norm(network[3])
    assert parametrize.is_parametrized(make_ready(network, input_shape=SHAPE)[3])  # type: ignore[index]


def test_a_plain_network_is_left_as_it_is() -> None:
    network = _plain()
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert make_ready(network, input_shape=SHAPE) is network
    assert torch.equal(torch.rand(1), expected), "no random number was drawn"
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
