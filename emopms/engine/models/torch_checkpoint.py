"""Loads files of ``torch.save``. No code in the files is executed, and a small file cannot fill the memory."""

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
"""Remedy that the error message gives if a file of ``torch.save`` is refused."""
_ZIP = b"PK\x03\x04"
"""First bytes of a zip file. In the new format of torch, a file is a zip file."""
_PICKLES = 5
"""Number of pickles in a file of the old format: magic number, version, machine, content and order of the storages."""


class _StandIn:
    """A placeholder for an object that a training script saved together with the weights.

    It accepts all arguments and ignores them. So the code of the object's own class is neither imported nor called.
    """

    __slots__ = ()

    def __new__(cls, *values: object, **named: object) -> _StandIn:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Ignore the saved state of the object that the placeholder replaces."""


_STAND_INS: list[Any] = [
    (_StandIn, name)
    for name in (
        "argparse.Namespace",
        *(f"pathlib.{kind}{system}Path" for kind in ("", "Pure") for system in ("Posix", "Windows")),
        *(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")),
        "numpy.dtype",
    )
]
"""Placeholders for the classes of objects that training scripts often save together with the weights: settings, paths
and numbers of numpy."""


def load_checkpoint(file: IO[bytes], path: Path) -> Any:
    """Return the content of a file of ``torch.save``: tensors on the CPU, and plain values.

    Args:
        file: The open file.
        path: The path of the file, for messages.

    Raises:
        WeightsError: The file has a member that ``torch.save`` never writes (see `_require_stored`), or a pickle that
            could fill the memory (see `_require_modest`).
        Exception: Any error of torch, if ``torch.save`` did not write the file or it holds more than tensors.
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
    """Return a copy of a zip file in memory, written from the members that were checked.

    Torch and Python read zip files in different ways. In the original file, torch might find members that were not
    checked here.
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
    """Refuse a zip file with members that ``torch.save`` never writes.

    Raises:
        WeightsError: A member is compressed, its path leads out of the archive, its name occurs twice, or the members
            together are larger than the file.
    """
    known: set[str] = set()
    for info in members:
        name = info.filename.lower()  # the reader of torch ignores case: it finds `DATA.PKL` too
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
    """Refuse a pickle that makes a ``bytearray``, and read the file to the end of the pickle.

    Among the objects that ``weights_only`` allows, only a ``bytearray`` can take much memory from a small file.

    Raises:
        WeightsError: The pickle makes a ``bytearray``.
    """
    try:
        for code, argument, _ in pickletools.genops(file):
            if code.name == "GLOBAL" and str(argument).endswith(" bytearray"):
                _refuse(path, "asks for a bytearray, and tensors need none")
    except ValueError:
        pass  # the rest is no pickle; torch.load raises an error later


def _refuse(path: Path, what: str) -> NoReturn:
    raise WeightsError(f"{path} {what}.", remedy=CONVERT)
