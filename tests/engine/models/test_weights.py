"""Weights files: what is read, what is refused, and that nothing in them is executed."""

from __future__ import annotations

import copy
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from emopms.builtin.backbone.resnet_cifar import ResNetCifar
from emopms.engine.models.weights import load_weights
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
        ({"net": {"weight": torch.zeros(1)}}, "under 'net' stands a dict"),
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
