"""Finds models near a path that holds none, for error messages."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_MOST_ENTRIES: Final = 1000
"""Number of entries of a folder that are looked at."""
_SHOWN: Final = 20


def models_near(path: Path) -> str:
    """Return a sentence that lists models in a folder, in its folder ``models``, or in the nearest folder that exists
    above it; empty if there are none."""
    above = next((folder for folder in path.absolute().parents if folder.is_dir()), path)
    for place in (path / "models", path, above, above / "models"):
        if names := _models_in(place):
            more = ", …" if len(names) > _SHOWN else ""
            return f"Models in {place}: {', '.join(names[:_SHOWN])}{more}."
    return ""


def _models_in(folder: Path) -> list[str]:
    with suppress(OSError, ValueError):
        entries = islice(folder.iterdir(), _MOST_ENTRIES)
        return sorted(entry.name for entry in entries if (entry / "architecture.json").is_file())
    return []
