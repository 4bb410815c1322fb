"""Weights files: what is read, and what is refused."""

from __future__ import annotations

import hashlib
import os
import pathlib
import struct
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from emopms.engine.models.weights import load_weights, weights_fingerprint
from emopms.errors import WeightsError
from tests.engine.models.weights_files import State, holds, refusal, small_network
from tests.memory import little_memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("prefix", ["", "module."])
def test_safetensors(prefix: str, tmp_path: Path) -> None:
    state, network = small_network().state_dict(), small_network()
    path = tmp_path / "weights.pth"
    save_file({prefix + name: tensor for name, tensor in state.items()}, path)
    load_weights(network, path)
    assert holds(network, state)


def test_half_precision_becomes_the_networks_own(tmp_path: Path) -> None:
    state, network = small_network().state_dict(), small_network()
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    torch.save(halves, tmp_path / "w.pt")
    load_weights(network, tmp_path / "w.pt")
    assert network.get_parameter("conv1.weight").dtype == torch.float32
    torch.testing.assert_close(network.get_parameter("conv1.weight"), halves["conv1.weight"].float())


def test_files_without_batch_counters(tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in small_network().state_dict().items() if "num_batches" not in name}
    torch.save(state, tmp_path / "w.pt")
    load_weights(small_network(), tmp_path / "w.pt")


@pytest.mark.parametrize("length", [2**60, 2**63, 2**64 - 1, 10**9])
def test_a_header_that_claims_too_much(length: int, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{" + bytes(100))
    with little_memory():
        assert "header too large" in refusal(path).message


def test_a_tensor_that_claims_too_much(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with little_memory():
        refusal(tmp_path / "w.safetensors")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.pt")
    assert "is no file" in refusal(tmp_path / "w.pt").message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff" * 100, b"\x08" + bytes(7) + b"{}", b"PK\x03\x04", b"weights" * 9]
)
def test_garbage(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_truncated_files(name: str, kept: float, tmp_path: Path) -> None:
    path, state = tmp_path / name, small_network().state_dict()
    torch.save(state, path) if name == "w.pt" else save_file(state, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    refusal(path)


def test_a_mismatch_lists_a_few_of_each_kind_and_counts_all(tmp_path: Path) -> None:
    state = small_network(depth=14, classes=7).state_dict()
    state["extra"] = torch.zeros(2)
    del state["bn1.weight"]
    torch.save(state, tmp_path / "w.pt")
    error = refusal(tmp_path / "w.pt", small_network(depth=8))
    assert error.message.splitlines()[1:] == [
        "  missing: bn1.weight",
        *(
            f"  not in the network: layer1.1.{name}"
            for name in list(small_network(depth=14).get_submodule("layer1.1").state_dict())[:5]
        ),
        "  … and 32 more",
        "  shape of linear.weight: (7, 16), in the network (10, 16)",
        "  shape of linear.bias: (7,), in the network (10,)",
    ]
    assert "number of classes" in error.remedy


def test_nothing_is_loaded_of_what_does_not_fit(tmp_path: Path) -> None:
    network = small_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.save({**small_network().state_dict(), "linear.bias": torch.zeros(3)}, tmp_path / "w.pt")
    refusal(tmp_path / "w.pt", network)
    assert holds(network, before)


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    state = small_network().state_dict()
    state["bn1.bias"][0] = float("inf")
    torch.save(state, tmp_path / "w.pt")
    assert "not finite, first in 'bn1.bias'" in refusal(tmp_path / "w.pt").message


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (lambda s: {**s, "mean": torch.zeros(3)}, "save the file without them"),
        (lambda s: {n: t for n, t in s.items() if "running" not in n}, "which holds buffers, too"),
        (lambda s: {**s, "linear.bias": torch.zeros(3)}, "number of classes"),
    ],
)
def test_remedies_say_what_helps(change: Callable[[State], State], remedy: str, tmp_path: Path) -> None:
    torch.save({"net": change(small_network().state_dict())}, tmp_path / "w.pt")
    error = refusal(tmp_path / "w.pt")
    assert "under 'net', does not fit" in error.message
    assert remedy in error.remedy


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    """Stages of earlier versions are stored under it."""
    torch.save(small_network().state_dict(), tmp_path / "w.pt")
    assert weights_fingerprint(tmp_path / "w.pt") == hashlib.sha256((tmp_path / "w.pt").read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match="is no file"):
        weights_fingerprint(tmp_path)


def test_a_file_larger_than_the_memory(tmp_path: Path) -> None:
    for name, start in (("w.safetensors", b"\x60" + bytes(7) + b"{"), ("w.pt", b"PK\x03\x04"), ("w.bin", b"")):
        with (tmp_path / name).open("wb") as file:
            file.write(start)
            file.truncate(2**40)
        with little_memory():
            assert "is 1,024.0 GiB large" in refusal(tmp_path / name).message


@pytest.mark.skipif(not pathlib.Path("/proc/kmsg").exists(), reason="the system has no such file")
def test_a_file_of_the_system_that_says_that_it_is_empty(tmp_path: Path) -> None:
    """Reading on from /proc/kmsg waits for the kernel."""
    path = tmp_path / "w.pt"
    path.symlink_to("/proc/kmsg")
    assert "is empty" in refusal(path).message
    with pytest.raises(WeightsError, match="is no file"):
        load_weights(small_network(), pathlib.Path("/dev/zero"))
    with pytest.raises(WeightsError, match="cannot be read"):
        load_weights(small_network(), tmp_path / "nothing")


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
    torch.save({**small_network().state_dict(), "conv1.weight": make()}, tmp_path / "w.pt")
    error = refusal(tmp_path / "w.pt")
    assert said in error.message
    assert "conv1.weight" in error.message
    assert error.remedy
