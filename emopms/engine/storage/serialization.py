"""Converts values to bytes and back. Pickle is never used.

The functions that convert tensors and arrays import torch and numpy when they are called. A command that only lists
runs thus imports neither.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RecursionError),
    *(zipfile.BadZipFile, zlib.error, SafetensorError),
)
"""Errors that reading a stored file raises if its bytes are damaged, or are in another format."""


def encode_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors as bytes in the safetensors format. Equal tensors give equal bytes.

    If several tensors share memory, such as tied weights, each tensor is stored under its own name.
    """
    from safetensors.torch import save

    own: dict[str, Tensor] = {}
    known: set[int] = set()
    for name, tensor in tensors.items():
        dense = tensor.detach().cpu().contiguous()
        memory = dense.untyped_storage().data_ptr()
        own[name] = dense.clone() if memory in known else dense
        known.add(memory)
    return save(own)


def encode_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as bytes in the npz format."""
    import numpy as np

    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def encode_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def encode_compact_json(value: Any) -> bytes:
    """Return a mapping as JSON with one line for each key. Long lists of numbers stay in one line."""
    lines = (f"{json.dumps(key)}: {json.dumps(item, allow_nan=False)}" for key, item in value.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def decode_tensors(content: bytes) -> dict[str, Tensor]:
    from safetensors.torch import load

    return load(content)


def decode_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found = dict(arrays)
    if not all(isinstance(array, np.ndarray) for array in found.values()):
        raise ValueError("holds more than arrays")  # numpy returns members that are not arrays as bytes
    return found


def decode_json(content: bytes) -> Any:
    return json.loads(content)
