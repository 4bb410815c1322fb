"""Values as bytes, and bytes on disk: whole or not at all. Nothing is ever pickled or unpickled.

What is only read to be listed needs neither torch nor numpy: they are imported by what converts tensors and arrays.
"""

from __future__ import annotations

import errno
import io
import json
import shutil
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

UNFINISHED = ".unfinished"
"""What the names of files and folders end in that a process left half written, when it was killed."""
FREE_SPACE = "Free space, or choose another --run-dir, and run again: it goes on from here."
UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RecursionError),
    *(zipfile.BadZipFile, zlib.error, SafetensorError),
)
"""What reading raises for bytes that are not what they should be, or that hold something else."""


def from_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """As safetensors. The bytes are those of the values alone: equal tensors give equal bytes."""
    from safetensors.torch import save

    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """As npz."""
    import numpy as np

    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def from_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def to_tensors(content: bytes) -> dict[str, Tensor]:
    from safetensors.torch import load

    return load(content)


def to_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found = dict(arrays)
    if not all(isinstance(array, np.ndarray) for array in found.values()):
        raise ValueError("holds more than arrays")  # numpy gives other members as bytes
    return found


def to_json(content: bytes) -> Any:
    return json.loads(content)


def write(path: Path, content: bytes) -> None:
    """Put a file where it belongs; folders are made.

    Raises:
        StoreError: It cannot be written.
    """
    with writing(path) as unfinished:
        unfinished.write_bytes(content)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A place to write a file or folder to; afterwards it takes the place of ``path``, whole.

    Raises:
        StoreError: It cannot be written.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        yield unfinished
        if path.is_dir() and unfinished.is_dir():
            shutil.rmtree(path)
        unfinished.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error}",
            remedy=FREE_SPACE if is_full(error) else "Remove what is in its way, or choose another --run-dir.",
        ) from error


def is_full(error: BaseException) -> bool:
    """Whether a disk, or what one may use of it, was full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
