"""The forms in which people keep weights: under a key, with a prefix, with counters, normalised."""

from __future__ import annotations

import argparse
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from loguru import logger
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations

from emopms.engine.models.weights import load_weights
from emopms.errors import WeightsError
from tests.engine.models.weights_files import State, changed, holds, prefixed, refusal, small_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


WRAPPED: list[Callable[[State], Any]] = [
    lambda state: state,
    lambda state: {"state_dict": state, "epoch": 3, "arch": "resnet"},
    lambda state: {"model": state, "optimizer": {"lr": 0.1, "steps": [1, 2]}},
    lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}, "model": "resnet"},
    lambda state: {
        name: nn.Parameter(tensor) if tensor.is_floating_point() else tensor for name, tensor in state.items()
    },
]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrap", WRAPPED, ids=["bare", "state_dict", "model", "module.", "both", "parameters"])
def test_files_that_torch_saved(wrap: Callable[[State], Any], zipped: bool, tmp_path: Path) -> None:
    """Whatever their names."""
    state, network = small_network().state_dict(), small_network()
    path = tmp_path / "weights.safetensors"
    torch.save(wrap(state), path, _use_new_zipfile_serialization=zipped)
    assert not holds(network, state)
    load_weights(network, path)
    assert holds(network, state)


def test_a_prefix_of_the_network_itself_stays(tmp_path: Path) -> None:
    network = nn.Sequential()
    network.add_module("module", nn.Linear(2, 2))
    torch.save({name: torch.ones_like(tensor) for name, tensor in network.state_dict().items()}, tmp_path / "w.pt")
    load_weights(network, tmp_path / "w.pt")
    assert network.get_parameter("module.weight").eq(1).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(1)], "no state dict but a list"),
        (torch.zeros(1), "no state dict but a Tensor"),
        ({"net": {"weight": [1.0]}}, "under 'net' stands a dict"),
        ({}, "it is empty"),
        ({"epoch": 3}, "under 'epoch' stands a int"),
        ({"state_dict": {"weight": [1.0]}}, "under 'weight' stands a list"),
        ({0: torch.zeros(1)}, "under 0 stands a Tensor"),
    ],
)
def test_something_else_than_tensors_by_name(content: object, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pt")
    assert message in refusal(tmp_path / "w.pt").message


def _with_counters(state: State) -> State:
    counts = {f"{name.rpartition('.')[0]}.total_ops": torch.zeros(1, dtype=torch.float64) for name in state}
    return {**state, **counts, "total_ops": torch.zeros(1), "total_params": torch.zeros(1)}


FORMS: dict[str, tuple[Callable[[State], Any], str]] = {
    "compiled": (lambda s: prefixed("_orig_mod.", s), "prefix '_orig_mod.' taken off"),
    "compiled and parallel": (lambda s: prefixed("module._orig_mod.", s), "prefix 'module._orig_mod.' taken off"),
    "lightning": (
        lambda s: {"state_dict": prefixed("net.", s), "epoch": 3},
        "under 'state_dict' with the prefix 'net.'",
    ),
    "lightning with a loss": (
        lambda s: {"state_dict": {**prefixed("backbone.", s), "loss.weight": torch.ones(10)}},
        "left out were loss.weight",
    ),
    "tutorial": (
        lambda s: {"model_state_dict": s, "optimizer_state_dict": {"state": {0: {"step": torch.ones(1)}}}},
        "'model_state_dict'",
    ),
    "net": (lambda s: {"net": prefixed("module.", s), "acc": 93.1}, "under 'net' with the prefix 'module.' taken off"),
    "ema": (lambda s: {"ema": s, "model": None}, "under 'ema'"),
    "deep": (lambda s: {"a": {"b": {"c": s}}}, "under 'a.b.c'"),
    "two of the same": (lambda s: {"one": s, "two": s}, "under 'one'"),
    "average": (lambda s: {"n_averaged": torch.tensor(5), **prefixed("module.", s)}, "left out were n_averaged"),
    "counted": (_with_counters, "left out were conv1.total_ops"),
    "settings beside": (lambda s: {"model": s, "args": argparse.Namespace(lr=0.1, out=pathlib.Path("x"))}, "'model'"),
    "numpy beside": (lambda s: {"model": s, "best": np.float64(93.1)}, "'model'"),
    "average beside": (lambda s: {"state_dict": s, "state_dict_ema": changed(s)}, "'state_dict_ema' would fit, too"),
    "plain": (lambda s: s, ""),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("form", list(FORMS))
def test_forms_in_which_weights_are_kept(form: str, zipped: bool, tmp_path: Path, logged: list[str]) -> None:
    state, network = small_network().state_dict(), small_network()
    wrap, said = FORMS[form]
    torch.save(wrap(state), tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    load_weights(network, tmp_path / "w.pt")
    load_weights(network, tmp_path / "w.pt")
    assert holds(network, state)
    assert len(logged) == bool(said), "what was taken is said once"
    assert all(said in line and str(tmp_path / "w.pt") in line for line in logged)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What is logged meanwhile."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level="INFO")
    yield lines
    logger.remove(sink)


def test_prefixes_in_safetensors(tmp_path: Path) -> None:
    state, network = small_network().state_dict(), small_network()
    save_file(prefixed("model.", state), tmp_path / "w.safetensors")
    load_weights(network, tmp_path / "w.safetensors")
    assert holds(network, state)


@pytest.mark.parametrize(
    ("key", "wrap"),
    [
        ("state_dict_ema", lambda s: {"state_dict": changed(s), "state_dict_ema": prefixed("module.", s)}),
        ("params_ema", lambda s: {"params": changed(s), "params_ema": s}),
        ("a.b", lambda s: {"a": {"b": s, "c": changed(s)}}),
        ("a", lambda s: {"a": {"b": s}, "c": changed(s)}),
        ("teacher", lambda s: {**prefixed("student.", changed(s)), **prefixed("teacher.", s)}),
    ],
)
def test_a_key_chooses_between_several(key: str, wrap: Callable[[State], Any], tmp_path: Path) -> None:
    state, network = small_network().state_dict(), small_network()
    torch.save(wrap(state), tmp_path / "w.pt")
    load_weights(network, tmp_path / "w.pt", key)
    assert holds(network, state)


@pytest.mark.parametrize(
    ("wrap", "places"),
    [
        (lambda s: {"params": changed(s), "params_ema": s}, ["under 'params'", "under 'params_ema'"]),
        (lambda s: {**prefixed("a.", changed(s)), **prefixed("b.", s)}, ["the prefix 'a.'", "the prefix 'b.'"]),
    ],
)
def test_several_weights_without_a_key_are_refused(
    wrap: Callable[[State], Any], places: list[str], tmp_path: Path
) -> None:
    torch.save(wrap(small_network().state_dict()), tmp_path / "w.pt")
    error = refusal(tmp_path / "w.pt")
    assert "holds several weights of this network" in error.message
    assert all(place in error.message for place in places)
    key = error.remedy.partition("weights_key: ")[2].partition("}")[0]
    load_weights(small_network(), tmp_path / "w.pt", key)  # the remedy is true


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    torch.save({"state_dict": small_network().state_dict(), "epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="no tensors under 'ema', which `weights_key` names") as caught:
        load_weights(small_network(), tmp_path / "w.pt", "ema")
    assert "under 'state_dict'" in caught.value.remedy


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, parametrizations.weight_norm], ids=["old", "new"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_that_were_normalised(
    norm: Callable[..., nn.Module], dim: int | None, prefix: str, tmp_path: Path
) -> None:
    """The network has them whole, and the file their lengths and directions."""
    network, whole = (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)) for _ in range(2))
    for layer in (network[0], network[2]):
        norm(layer, dim=dim)
        for parameter in layer.parameters():
            nn.init.normal_(parameter)
    images = torch.randn(2, 3, 8, 8)
    torch.save({"model": prefixed(prefix, network.state_dict())}, tmp_path / "w.pt")
    load_weights(whole, tmp_path / "w.pt")
    torch.testing.assert_close(whole(images), network(images))


def test_names_that_only_look_like_those_of_normalised_weights(tmp_path: Path) -> None:
    network = nn.ModuleDict({"to_g": nn.Linear(2, 2), "to_v": nn.Linear(2, 2)})
    torch.save(network.state_dict(), tmp_path / "w.pt")
    load_weights(network, tmp_path / "w.pt")
    odd = nn.ParameterDict({"x_g": nn.Parameter(torch.ones(3)), "x_v": nn.Parameter(torch.ones(3))})
    torch.save(odd.state_dict(), tmp_path / "w.pt")
    load_weights(odd, tmp_path / "w.pt")
