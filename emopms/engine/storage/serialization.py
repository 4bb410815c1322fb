"""Values as bytes. Nothing is ever pickled or unpickled.

Listing runs needs neither torch nor numpy: only what converts tensors and arrays imports them.
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
"""What reading raises for bytes that are damaged, or that hold something else."""


def encode_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """As safetensors. The bytes are those of the values alone: equal tensors give equal bytes."""
    from safetensors.torch import save

    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def encode_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """As npz."""
    import numpy as np

    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def encode_json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def decode_tensors(content: bytes) -> dict[str, Tensor]:
    from safetensors.torch import load

    return load(content)


def decode_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found = dict(arrays)
    if not all(isinstance(array, np.ndarray) for array in found.values()):
        raise ValueError("holds more than arrays")  # numpy gives other members as bytes
    return found


def decode_json(content: bytes) -> Any:
    return json.loads(content)
