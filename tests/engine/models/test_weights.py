"""Weights files: what is read, what is refused, and that nothing in them is executed."""

from __future__ import annotations

import argparse
import copy
import hashlib
import io
import os
import pathlib
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from loguru import logger
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from emopms.builtin.backbone.resnet_cifar import ResNetCifar
from emopms.engine.models.weights import load_weights, weights_fingerprint
from emopms.errors import WeightsError
from tests.engine.models.exploit import Exploit
from tests.memory import little_memory

if TYPE_CHECKING:
    from pathlib import Path

State = dict[str, Tensor]


def _network(depth: int = 8, classes: int = 10) -> nn.Module:
    return ResNetCifar(depth=depth, width=4).build(input_shape=(3, 32, 32), classes=classes)


def _holds(network: nn.Module, state: State) -> bool:
    return all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def _refusal(path: Path, network: nn.Module | None = None) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        load_weights(network or _network(), path)
    assert str(path) in caught.value.message
    assert "weights_only" not in caught.value.message + caught.value.remedy  # torch's own advice
    return caught.value


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
    state, network = _network().state_dict(), _network()
    path = tmp_path / "weights.safetensors"
    torch.save(wrap(state), path, _use_new_zipfile_serialization=zipped)
    assert not _holds(network, state)
    load_weights(network, path)
    assert _holds(network, state)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_safetensors(prefix: str, tmp_path: Path) -> None:
    state, network = _network().state_dict(), _network()
    path = tmp_path / "weights.pth"
    save_file({prefix + name: tensor for name, tensor in state.items()}, path)
    load_weights(network, path)
    assert _holds(network, state)


def test_a_prefix_of_the_network_itself_stays(tmp_path: Path) -> None:
    network = nn.Sequential()
    network.add_module("module", nn.Linear(2, 2))
    torch.save({name: torch.ones_like(tensor) for name, tensor in network.state_dict().items()}, tmp_path / "w.pt")
    load_weights(network, tmp_path / "w.pt")
    assert network.get_parameter("module.weight").eq(1).all()


def test_half_precision_becomes_the_networks_own(tmp_path: Path) -> None:
    state, network = _network().state_dict(), _network()
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    torch.save(halves, tmp_path / "w.pt")
    load_weights(network, tmp_path / "w.pt")
    assert network.get_parameter("conv1.weight").dtype == torch.float32
    torch.testing.assert_close(network.get_parameter("conv1.weight"), halves["conv1.weight"].float())


def test_files_without_batch_counters(tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in _network().state_dict().items() if "num_batches" not in name}
    torch.save(state, tmp_path / "w.pt")
    load_weights(_network(), tmp_path / "w.pt")


# -- attacks -----------------------------------------------------------------------------------------------


def _in_torch_zip(payload: object, path: Path) -> None:
    torch.save({"state_dict": _network().state_dict(), "extra": payload}, path)


def _in_old_torch_file(payload: object, path: Path) -> None:
    torch.save({"extra": payload}, path, _use_new_zipfile_serialization=False)


def _bare(payload: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(payload, protocol=2))


def _first_in_the_archive(payload: object, path: Path) -> None:
    """Where torch's own reader looks for the pickle."""
    good = io.BytesIO()
    torch.save(_network().state_dict(), good)
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = pickle.dumps(payload, protocol=2) if name.endswith("data.pkl") else source.read(name)
            target.writestr(name, content)


@pytest.mark.parametrize("write", [_in_torch_zip, _in_old_torch_file, _bare, _first_in_the_archive])
def test_a_pickle_that_would_run_code(write: Callable[[object, Path], None], tmp_path: Path) -> None:
    path, trace = tmp_path / "weights.pt", tmp_path / "executed"
    write(Exploit(trace), path)
    error = _refusal(path)
    assert not trace.exists()
    assert "mkdir" in error.message
    assert "nothing in a weights file is executed" in error.message
    with path.open("rb") as file:  # the exploit is a real one
        torch.load(file, weights_only=False) if write is not _bare else pickle.load(file)
    assert trace.exists()


def test_a_whole_pickled_network(tmp_path: Path) -> None:
    torch.save(_network(), tmp_path / "network.pt")
    error = _refusal(tmp_path / "network.pt")
    assert "asks for emopms.builtin.nets.resnet.ResNetCifar" in error.message
    assert "safetensors.torch.save_file(network.state_dict(), path)" in error.remedy


def test_torchscript_is_not_run(tmp_path: Path) -> None:
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(tmp_path / "w.pt")  # type: ignore[no-untyped-call]
    _refusal(tmp_path / "w.pt")


# -- what swells -------------------------------------------------------------------------------------------


Change = Callable[[zipfile.ZipFile, str, bytes], None]


def _rewritten(path: Path, change: Change) -> Path:
    """A file of torch.save, each of whose members is written by a function."""
    good = io.BytesIO()
    torch.save(_network().state_dict(), good)
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            change(target, name, source.read(name))
    return path


@pytest.mark.parametrize("member", ["data.pkl", "data/0", "version"])
def test_a_bomb_is_not_inflated(member: str, tmp_path: Path) -> None:
    def change(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
        bomb = name.endswith(member)
        archive.writestr(name, content + bomb * bytes(2**27), zipfile.ZIP_DEFLATED if bomb else zipfile.ZIP_STORED)

    path = _rewritten(tmp_path / "w.pt", change)
    assert path.stat().st_size < 2**20
    with little_memory():
        error = _refusal(path)
    assert f"{member}' compressed, which torch.save never does" in error.message


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("/etc/passwd", "'/etc/passwd', which leads out of the archive"),
        ("archive/../../x", "'archive/../../x', which leads out of the archive"),
        ("archive/DATA.PKL", "'archive/DATA.PKL' twice"),
        ("archive/data.pkl", "'archive/data.pkl' twice"),
    ],
)
def test_members_that_torch_never_writes(extra: str, message: str, tmp_path: Path) -> None:
    path = _rewritten(tmp_path / "w.pt", lambda archive, name, content: archive.writestr(name, content))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(extra, b"x")
    assert message in _refusal(path).message


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    path = _rewritten(tmp_path / "w.pt", lambda archive, name, content: archive.writestr(name, content))
    with zipfile.ZipFile(path, "a") as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size)
        for number in range(1000):
            shared = copy.copy(largest)
            shared.filename = f"archive/data/{1000 + number}"
            archive.filelist.append(shared)
            archive.NameToInfo[shared.filename] = shared
        archive.writestr("archive/last", b"")
    assert "says that it holds more than it is large" in _refusal(path).message


class _Large:
    """A state dict may hold one, and unpickling makes it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (2**33,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_bytearray_is_not_made(zipped: bool, tmp_path: Path) -> None:
    content = {"state_dict": _network().state_dict(), "extra": _Large()}
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    with little_memory():
        error = _refusal(tmp_path / "w.pt")
    assert "asks for a bytearray" in error.message


def test_a_storage_that_is_not_there(tmp_path: Path) -> None:
    """The old format says how large a storage is before it comes."""
    path = tmp_path / "w.pt"
    torch.save({"w": torch.zeros(1234567)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert struct.pack("<i", 1234567) in content
    path.write_bytes(content.replace(struct.pack("<i", 1234567), struct.pack("<i", 2**31 - 1))[:5000])
    with little_memory():
        _refusal(path)


@pytest.mark.parametrize("length", [2**60, 2**63, 2**64 - 1, 10**9])
def test_a_header_that_claims_too_much(length: int, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{" + bytes(100))
    with little_memory():
        assert "header too large" in _refusal(path).message


def test_a_tensor_that_claims_too_much(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with little_memory():
        _refusal(tmp_path / "w.safetensors")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.pt")
    assert "is no file" in _refusal(tmp_path / "w.pt").message


# -- what is no state dict ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff" * 100, b"\x08" + bytes(7) + b"{}", b"PK\x03\x04", b"weights" * 9]
)
def test_garbage(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    _refusal(path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_truncated_files(name: str, kept: float, tmp_path: Path) -> None:
    path, state = tmp_path / name, _network().state_dict()
    torch.save(state, path) if name == "w.pt" else save_file(state, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    _refusal(path)


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
    assert message in _refusal(tmp_path / "w.pt").message


# -- what fits another network -----------------------------------------------------------------------------


def test_a_mismatch_lists_a_few_of_each_kind_and_counts_all(tmp_path: Path) -> None:
    state = _network(depth=14, classes=7).state_dict()
    state["extra"] = torch.zeros(2)
    del state["bn1.weight"]
    torch.save(state, tmp_path / "w.pt")
    error = _refusal(tmp_path / "w.pt", _network(depth=8))
    assert error.message.splitlines()[1:] == [
        "  missing: bn1.weight",
        *(
            f"  not in the network: layer1.1.{name}"
            for name in list(_network(depth=14).get_submodule("layer1.1").state_dict())[:5]
        ),
        "  … and 32 more",
        "  shape of linear.weight: (7, 16), in the network (10, 16)",
        "  shape of linear.bias: (7,), in the network (10,)",
    ]
    assert "number of classes" in error.remedy


def test_nothing_is_loaded_of_what_does_not_fit(tmp_path: Path) -> None:
    network = _network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.save({**_network().state_dict(), "linear.bias": torch.zeros(3)}, tmp_path / "w.pt")
    _refusal(tmp_path / "w.pt", network)
    assert _holds(network, before)


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    state = _network().state_dict()
    state["bn1.bias"][0] = float("inf")
    torch.save(state, tmp_path / "w.pt")
    assert "not finite, first in 'bn1.bias'" in _refusal(tmp_path / "w.pt").message


# -- how people keep weights -------------------------------------------------------------------------------


def _prefixed(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def _other(state: State) -> State:
    return {name: tensor + 1 for name, tensor in state.items()}


def _with_counters(state: State) -> State:
    counts = {f"{name.rpartition('.')[0]}.total_ops": torch.zeros(1, dtype=torch.float64) for name in state}
    return {**state, **counts, "total_ops": torch.zeros(1), "total_params": torch.zeros(1)}


FORMS: dict[str, tuple[Callable[[State], Any], str]] = {
    "compiled": (lambda s: _prefixed("_orig_mod.", s), "prefix '_orig_mod.' taken off"),
    "compiled and parallel": (lambda s: _prefixed("module._orig_mod.", s), "prefix 'module._orig_mod.' taken off"),
    "lightning": (
        lambda s: {"state_dict": _prefixed("net.", s), "epoch": 3},
        "under 'state_dict' with the prefix 'net.'",
    ),
    "lightning with a loss": (
        lambda s: {"state_dict": {**_prefixed("backbone.", s), "loss.weight": torch.ones(10)}},
        "left out were loss.weight",
    ),
    "tutorial": (
        lambda s: {"model_state_dict": s, "optimizer_state_dict": {"state": {0: {"step": torch.ones(1)}}}},
        "'model_state_dict'",
    ),
    "net": (lambda s: {"net": _prefixed("module.", s), "acc": 93.1}, "under 'net' with the prefix 'module.' taken off"),
    "ema": (lambda s: {"ema": s, "model": None}, "under 'ema'"),
    "deep": (lambda s: {"a": {"b": {"c": s}}}, "under 'a.b.c'"),
    "two of the same": (lambda s: {"one": s, "two": s}, "under 'one'"),
    "average": (lambda s: {"n_averaged": torch.tensor(5), **_prefixed("module.", s)}, "left out were n_averaged"),
    "counted": (_with_counters, "left out were conv1.total_ops"),
    "settings beside": (lambda s: {"model": s, "args": argparse.Namespace(lr=0.1, out=pathlib.Path("x"))}, "'model'"),
    "numpy beside": (lambda s: {"model": s, "best": np.float64(93.1)}, "'model'"),
    "average beside": (lambda s: {"state_dict": s, "state_dict_ema": _other(s)}, "'state_dict_ema' would fit, too"),
    "plain": (lambda s: s, ""),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("form", list(FORMS))
def test_forms_in_which_weights_are_kept(form: str, zipped: bool, tmp_path: Path, logged: list[str]) -> None:
    state, network = _network().state_dict(), _network()
    wrap, said = FORMS[form]
    torch.save(wrap(state), tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    load_weights(network, tmp_path / "w.pt")
    load_weights(network, tmp_path / "w.pt")
    assert _holds(network, state)
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
    state, network = _network().state_dict(), _network()
    save_file(_prefixed("model.", state), tmp_path / "w.safetensors")
    load_weights(network, tmp_path / "w.safetensors")
    assert _holds(network, state)


@pytest.mark.parametrize(
    ("key", "wrap"),
    [
        ("state_dict_ema", lambda s: {"state_dict": _other(s), "state_dict_ema": _prefixed("module.", s)}),
        ("params_ema", lambda s: {"params": _other(s), "params_ema": s}),
        ("a.b", lambda s: {"a": {"b": s, "c": _other(s)}}),
        ("a", lambda s: {"a": {"b": s}, "c": _other(s)}),
        ("teacher", lambda s: {**_prefixed("student.", _other(s)), **_prefixed("teacher.", s)}),
    ],
)
def test_a_key_chooses_between_several(key: str, wrap: Callable[[State], Any], tmp_path: Path) -> None:
    state, network = _network().state_dict(), _network()
    torch.save(wrap(state), tmp_path / "w.pt")
    load_weights(network, tmp_path / "w.pt", key)
    assert _holds(network, state)


@pytest.mark.parametrize(
    ("wrap", "places"),
    [
        (lambda s: {"params": _other(s), "params_ema": s}, ["under 'params'", "under 'params_ema'"]),
        (lambda s: {**_prefixed("a.", _other(s)), **_prefixed("b.", s)}, ["the prefix 'a.'", "the prefix 'b.'"]),
    ],
)
def test_several_weights_without_a_key_are_refused(
    wrap: Callable[[State], Any], places: list[str], tmp_path: Path
) -> None:
    torch.save(wrap(_network().state_dict()), tmp_path / "w.pt")
    error = _refusal(tmp_path / "w.pt")
    assert "holds several weights of this network" in error.message
    assert all(place in error.message for place in places)
    key = error.remedy.partition("weights_key: ")[2].partition("}")[0]
    load_weights(_network(), tmp_path / "w.pt", key)  # the remedy is true


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    torch.save({"state_dict": _network().state_dict(), "epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="no tensors under 'ema', which `weights_key` names") as caught:
        load_weights(_network(), tmp_path / "w.pt", "ema")
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
    torch.save({"model": _prefixed(prefix, network.state_dict())}, tmp_path / "w.pt")
    load_weights(whole, tmp_path / "w.pt")
    torch.testing.assert_close(whole(images), network(images))


def test_names_that_only_look_like_those_of_normalised_weights(tmp_path: Path) -> None:
    network = nn.ModuleDict({"to_g": nn.Linear(2, 2), "to_v": nn.Linear(2, 2)})
    torch.save(network.state_dict(), tmp_path / "w.pt")
    load_weights(network, tmp_path / "w.pt")
    odd = nn.ParameterDict({"x_g": nn.Parameter(torch.ones(3)), "x_v": nn.Parameter(torch.ones(3))})
    torch.save(odd.state_dict(), tmp_path / "w.pt")
    load_weights(odd, tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (lambda s: {**s, "mean": torch.zeros(3)}, "save the file without them"),
        (lambda s: {n: t for n, t in s.items() if "running" not in n}, "which holds buffers, too"),
        (lambda s: {**s, "linear.bias": torch.zeros(3)}, "number of classes"),
    ],
)
def test_remedies_say_what_helps(change: Callable[[State], State], remedy: str, tmp_path: Path) -> None:
    torch.save({"net": change(_network().state_dict())}, tmp_path / "w.pt")
    error = _refusal(tmp_path / "w.pt")
    assert "under 'net', does not fit" in error.message
    assert remedy in error.remedy


def test_an_object_beside_the_weights_runs_nothing(tmp_path: Path) -> None:
    """Settings may be a Namespace; what such an object brings along may not be anything."""
    trace = tmp_path / "executed"
    torch.save({"model": _network().state_dict(), "args": argparse.Namespace(x=Exploit(trace))}, tmp_path / "w.pt")
    assert "mkdir" in _refusal(tmp_path / "w.pt").message
    assert not trace.exists()


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    """Stages of earlier versions are stored under it."""
    torch.save(_network().state_dict(), tmp_path / "w.pt")
    assert weights_fingerprint(tmp_path / "w.pt") == hashlib.sha256((tmp_path / "w.pt").read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match="is no file"):
        weights_fingerprint(tmp_path)


# -- what cannot be read, or never ends --------------------------------------------------------------------


def test_a_file_larger_than_the_memory(tmp_path: Path) -> None:
    for name, start in (("w.safetensors", b"\x60" + bytes(7) + b"{"), ("w.pt", b"PK\x03\x04"), ("w.bin", b"")):
        with (tmp_path / name).open("wb") as file:
            file.write(start)
            file.truncate(2**40)
        with little_memory():
            assert "is 1,024.0 GiB large" in _refusal(tmp_path / name).message


@pytest.mark.skipif(not pathlib.Path("/proc/kmsg").exists(), reason="the system has no such file")
def test_a_file_of_the_system_that_says_that_it_is_empty(tmp_path: Path) -> None:
    """Reading on from /proc/kmsg waits for the kernel."""
    path = tmp_path / "w.pt"
    path.symlink_to("/proc/kmsg")
    assert "is empty" in _refusal(path).message
    with pytest.raises(WeightsError, match="is no file"):
        load_weights(_network(), pathlib.Path("/dev/zero"))
    with pytest.raises(WeightsError, match="cannot be read"):
        load_weights(_network(), tmp_path / "nothing")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: torch.zeros(4, 3, 3, 3).to(torch.float8_e4m3fn), "numbers of the kind float8_e4m3fn"),
        (lambda: torch.quantize_per_tensor(torch.zeros(4, 3, 3, 3), 1.0, 0, torch.qint8), "is quantised"),
        (lambda: torch.nested.nested_tensor([torch.zeros(3), torch.zeros(2)]), "is a nested tensor"),
        (lambda: torch.zeros(4, 3, 3, 3, device="meta"), "without data"),
        (lambda: torch.zeros(4, 3, 3, 3).to_sparse(), "sparse"),
    ],
    ids=["eight bits", "quantised", "nested", "meta", "sparse"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tensors_that_are_no_plain_numbers(make: Callable[[], Tensor], said: str, tmp_path: Path) -> None:
    torch.save({**_network().state_dict(), "conv1.weight": make()}, tmp_path / "w.pt")
    error = _refusal(tmp_path / "w.pt")
    assert said in error.message
    assert "conv1.weight" in error.message
    assert error.remedy
