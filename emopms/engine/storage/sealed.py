"""JSON records that contain their own checksum. It shows whether a record was changed, truncated or not written by
emopms."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from emopms.engine.storage.atomic import read_regular, write_atomic
from emopms.engine.storage.serialization import decode_json, encode_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MOST_BYTES = 64 * 2**20
"""Maximum size of a record in bytes. The record of a stage with 100,000 files is smaller."""


def write_sealed(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON record with its checksum, atomically.

    Raises:
        StoreError: The record cannot be written.
    """
    write_atomic(path, encode_json(_sealed(record)))


def read_sealed(path: Path) -> dict[str, Any]:
    """Read a JSON record, and check its checksum.

    Raises:
        OSError, ValueError, RecursionError: The record cannot be read, or `write_sealed` did not write it.
    """
    sealed = decode_json(read_regular(path, most=_MOST_BYTES))
    if not isinstance(sealed, dict):
        raise ValueError("changed")
    record = {name: value for name, value in sealed.items() if name != "checksum"}
    if _sealed(record) != sealed:
        raise ValueError("changed")
    return record


def _sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, "checksum": hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()}
