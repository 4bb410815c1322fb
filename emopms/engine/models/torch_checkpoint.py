"""Loading what ``torch.save`` wrote: nothing is executed, and a small file takes little memory."""

from __future__ import annotations

import io
import pickletools
import zipfile
from typing import IO, TYPE_CHECKING, Any, NoReturn

import torch

from emopms.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CONVERT = "Convert the weights: safetensors.torch.save_file(network.state_dict(), path)."
"""What to do about a file that is refused."""
_ZIP = b"PK\x03\x04"
"""What torch, too, tells its two formats apart by."""
_PICKLES = 5
"""In a file of the old format: magic number, version, machine, content and the order of the storages."""


class _StandIn:
    """Takes the place of an object that is saved beside the weights. It takes whatever comes, keeps nothing of it and
    does nothing, so that none of the code that made the object is imported or called."""

    __slots__ = ()

    def __new__(cls, *values: object, **named: object) -> _StandIn:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Pass over what the object held."""


_STAND_INS: list[Any] = [
    (_StandIn, name)
    for name in (
        "argparse.Namespace",
        *(f"pathlib.{kind}{system}Path" for kind in ("", "Pure") for system in ("Posix", "Windows")),
        *(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")),
        "numpy.dtype",
    )
]
"""What training scripts keep beside the weights: their settings, paths, and figures as numpy numbers."""


def load_checkpoint(file: IO[bytes], path: Path) -> Any:
    """What is in a file of ``torch.save``, on the CPU: tensors and plain values.

    Args:
        file: The open file, not its name, for what it is called does not matter.
        path: Its name, for messages.

    Raises:
        WeightsError: A part of it is compressed, doubled or leads elsewhere, or it asks for memory.
        Exception: Whatever torch raises where it is no such file or holds more than tensors.
    """
    start = file.read(len(_ZIP))
    file.seek(0)
    if start == _ZIP:
        file = _repacked(file, path)
    else:
        for _ in range(_PICKLES):
            _require_modest(file, path)
        file.seek(0)
    with torch.serialization.safe_globals(_STAND_INS):
        return torch.load(file, map_location="cpu", weights_only=True)


def _repacked(file: IO[bytes], path: Path) -> IO[bytes]:
    """The archive, written anew from its checked members.

    torch's reader inflates what is compressed. It also reads a zip file in a way of its own: given the original, it
    might find other members than those that were checked.
    """
    repacked = io.BytesIO()
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(repacked, "w") as target:
        members = archive.infolist()
        _require_stored(members, path)
        for info in members:
            content = archive.read(info)
            if info.filename.lower().endswith(".pkl"):
                _require_modest(io.BytesIO(content), path)
            target.writestr(info.filename, content)
    repacked.seek(0)
    return repacked


def _require_stored(members: Sequence[zipfile.ZipInfo], path: Path) -> None:
    """Refuse members that ``torch.save`` never writes.

    Raises:
        WeightsError: One is compressed, leads out of the archive or is there twice, or they share their bytes.
    """
    known: set[str] = set()
    for info in members:
        name = info.filename.lower()  # torch's reader finds `DATA.PKL`, too
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            _refuse(path, f"holds {info.filename!r} compressed, which torch.save never does")
        if name.startswith("/") or ".." in name.split("/"):
            _refuse(path, f"holds {info.filename!r}, which leads out of the archive")
        if name in known:
            _refuse(path, f"holds {info.filename!r} twice")
        known.add(name)
    if sum(info.file_size for info in members) > path.stat().st_size:
        _refuse(path, "says that it holds more than it is large")


def _require_modest(file: IO[bytes], path: Path) -> None:
    """Refuse a pickle that makes a ``bytearray``: of all that ``weights_only`` allows, the one thing that fills any
    amount of memory. Reads on to where the pickle ends.

    Raises:
        WeightsError: It does.
    """
    try:
        for code, argument, _ in pickletools.genops(file):
            if code.name == "GLOBAL" and str(argument).endswith(" bytearray"):
                _refuse(path, "asks for a bytearray, and tensors need none")
    except ValueError:
        pass  # it is no pickle from here on, as torch.load will say


def _refuse(path: Path, what: str) -> NoReturn:
    raise WeightsError(f"{path} {what}.", remedy=CONVERT)
