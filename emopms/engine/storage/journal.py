"""Journals: the progress of unfinished work, as numbered entries. A damaged entry counts as missing."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from loguru import logger

from emopms.engine.storage.atomic import read_regular, write_atomic
from emopms.engine.storage.serialization import UNREADABLE, decode_tensors, encode_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

_ENTRY = re.compile(r"(\d{6,})-[0-9a-f]{32}\.safetensors")


def is_entry(name: str) -> bool:
    """Return whether a file name is the name of a journal entry."""
    return _ENTRY.fullmatch(name) is not None


class Journal:
    """Numbered entries in a folder. Each file name contains the checksum of the entry.

    In this way, an entry and its checksum are written in one step.

    Args:
        folder: The folder of the entries. It is made with the first entry.
        owner: Name of the work to which the entries belong. It is part of the checksums. Entries of other work thus
            seem damaged, and do not count.
    """

    def __init__(self, folder: Path, *, owner: str) -> None:
        self._folder, self._owner = folder, owner

    def put(self, number: int, tensors: Mapping[str, Tensor]) -> None:
        """Write the entry with the given number. An existing entry with this number is replaced.

        Raises:
            StoreError: The entry cannot be written.
        """
        content = encode_tensors(tensors)
        old = self._files(number)
        new = self._folder / f"{number:06d}-{self._checksum(number, content)}.safetensors"
        write_atomic(new, content)
        for path in old:
            if path != new:
                path.unlink(missing_ok=True)

    def get(self, number: int) -> dict[str, Tensor] | None:
        """Return the entry with the given number; None if it is missing or damaged. If it is damaged, a warning is
        logged."""
        for path in self._files(number):
            try:
                content = read_regular(path)
                if path.stem.partition("-")[2] == self._checksum(number, content):
                    return decode_tensors(content)
            except (*UNREADABLE, MemoryError):
                pass  # the warning below says that the entry is damaged
            logger.warning("{} is damaged: its content is computed again", path)
        return None

    def numbers(self) -> list[int]:
        """Return the numbers of all entries of the journal, in order. Some of these entries may be damaged."""
        return sorted(
            {int(match[1]) for match in (_ENTRY.fullmatch(path.name) for path in self._folder.glob("*-*")) if match}
        )

    def keep_only(self, number: int) -> None:
        """Remove all entries of the journal except the entry with the given number."""
        for other in self.numbers():
            if other != number:
                for path in self._files(other):
                    path.unlink(missing_ok=True)

    def _files(self, number: int) -> list[Path]:
        return sorted(path for path in self._folder.glob(f"{number:06d}-*.safetensors") if is_entry(path.name))

    def _checksum(self, number: int, content: bytes) -> str:
        return hashlib.sha256(f"{self._owner} {number} ".encode() + content).hexdigest()[:32]
