"""Files of torch.save: nothing in them is executed, and no small file fills the memory."""

from __future__ import annotations

import argparse
import copy
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from tests.engine.models.exploit import Exploit
from tests.engine.models.weights_files import refusal, small_network
from tests.memory import little_memory

if TYPE_CHECKING:
    from pathlib import Path


def _in_torch_zip(payload: object, path: Path) -> None:
    torch.save({"state_dict": small_network().state_dict(), "extra": payload}, path)


def _in_old_torch_file(payload: object, path: Path) -> None:
    torch.save({"extra": payload}, path, _use_new_zipfile_serialization=False)


def _bare(payload: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(payload, protocol=2))


def _first_in_the_archive(payload: object, path: Path) -> None:
    """Where torch's own reader looks for the pickle."""
    good = io.BytesIO()
    torch.save(small_network().state_dict(), good)
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = pickle.dumps(payload, protocol=2) if name.endswith("data.pkl") else source.read(name)
            target.writestr(name, content)


@pytest.mark.parametrize("write", [_in_torch_zip, _in_old_torch_file, _bare, _first_in_the_archive])
def test_a_pickle_that_would_run_code(write: Callable[[object, Path], None], tmp_path: Path) -> None:
    path, trace = tmp_path / "weights.pt", tmp_path / "executed"
    write(Exploit(trace), path)
    error = refusal(path)
    assert not trace.exists()
    assert "mkdir" in error.message
    assert "nothing in a weights file is executed" in error.message
    with path.open("rb") as file:  # the exploit is a real one
        torch.load(file, weights_only=False) if write is not _bare else pickle.load(file)
    assert trace.exists()


def test_a_whole_pickled_network(tmp_path: Path) -> None:
    torch.save(small_network(), tmp_path / "network.pt")
    error = refusal(tmp_path / "network.pt")
    assert "asks for emopms.builtin.nets.resnet.ResNetCifar" in error.message
    assert "safetensors.torch.save_file(network.state_dict(), path)" in error.remedy


def test_torchscript_is_not_run(tmp_path: Path) -> None:
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(tmp_path / "w.pt")  # type: ignore[no-untyped-call]
    refusal(tmp_path / "w.pt")


Change = Callable[[zipfile.ZipFile, str, bytes], None]


def _rewritten(path: Path, change: Change) -> Path:
    """A file of torch.save, each of whose members is written by a function."""
    good = io.BytesIO()
    torch.save(small_network().state_dict(), good)
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
        error = refusal(path)
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
    assert message in refusal(path).message


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
    assert "says that it holds more than it is large" in refusal(path).message


class _Large:
    """A state dict may hold one, and unpickling makes it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (2**33,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_bytearray_is_not_made(zipped: bool, tmp_path: Path) -> None:
    content = {"state_dict": small_network().state_dict(), "extra": _Large()}
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    with little_memory():
        error = refusal(tmp_path / "w.pt")
    assert "asks for a bytearray" in error.message


def test_a_storage_that_is_not_there(tmp_path: Path) -> None:
    """The old format says how large a storage is before it comes."""
    path = tmp_path / "w.pt"
    torch.save({"w": torch.zeros(1234567)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert struct.pack("<i", 1234567) in content
    path.write_bytes(content.replace(struct.pack("<i", 1234567), struct.pack("<i", 2**31 - 1))[:5000])
    with little_memory():
        refusal(path)


def test_an_object_beside_the_weights_runs_nothing(tmp_path: Path) -> None:
    """Settings may be a Namespace; what such an object brings along may not be anything."""
    trace = tmp_path / "executed"
    torch.save({"model": small_network().state_dict(), "args": argparse.Namespace(x=Exploit(trace))}, tmp_path / "w.pt")
    assert "mkdir" in refusal(tmp_path / "w.pt").message
    assert not trace.exists()
