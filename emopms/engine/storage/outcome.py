"""How the last process ended that worked in a run directory, as it wrote into its record of the progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from emopms.engine.storage.atomic import read_regular
from emopms.engine.storage.serialization import UNREADABLE, decode_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROGRESS: Final = "progress.json"
"""File name of the record in a store."""
COMPLETE, INTERRUPTED = "complete", "interrupted"
"""Outcomes that are no message of an error."""
_MOST_BYTES: Final = 2**22
"""Maximum bytes of a record that is read."""


def read_record(root: Path) -> Mapping[str, Any] | None:
    """Return the record of the progress in a store; None if there is no valid one."""
    try:
        written = decode_json(read_regular(root / PROGRESS, most=_MOST_BYTES))
    except UNREADABLE:
        return None
    return written if isinstance(written, dict) and isinstance(written.get("outcome"), str) else None


def read_outcome(root: Path) -> str:
    """Return how the last process ended that worked in a store.

    Args:
        root: The store.

    Returns:
        `COMPLETE`, `INTERRUPTED`, the message of the error that ended its work, or an empty text if the process works,
        was killed, or left no record.
    """
    record = read_record(root)
    return "" if record is None else str(record["outcome"])
