"""How far unfinished work had got: numbered entries, each there whole and unchanged, or not there."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from loguru import logger

from emopms.engine.storage.atomic import write_atomic
from emopms.engine.storage.serialization import UNREADABLE, decode_tensors, encode_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor


class Journal:
    """Entries are files whose names carry their checksums, so that each is written and vouched for in one step.

    Args:
        folder: Where they are; made with the first entry.
        owner: What they are of. It is part of the checksums: entries of other work do not count.
    """

    def __init__(self, folder: Path, *, owner: str) -> None:
        self._folder, self._owner = folder, owner

    def put(self, number: int, tensors: Mapping[str, Tensor]) -> None:
        """Add an entry, or replace one.

        Raises:
            StoreError: It cannot be written.
        """
        content = encode_tensors(tensors)
        old = self._files(number)
        new = self._folder / f"{number:06d}-{self._checksum(number, content)}.safetensors"
        write_atomic(new, content)
        for path in old:
            if path != new:
                path.unlink(missing_ok=True)

    def get(self, number: int) -> dict[str, Tensor] | None:
        """An entry; None where there is none that can be relied on. One that is damaged is named in the log."""
        for path in self._files(number):
            try:
                content = path.read_bytes()
                if path.stem.partition("-")[2] == self._checksum(number, content):
                    return decode_tensors(content)
            except UNREADABLE:
                pass  # below
            logger.warning("{} is damaged: what it held is made again", path)
        return None

    def numbers(self) -> list[int]:
        """Of all entries, in order. Not all of them need be whole."""
        names = [path.name.partition("-")[0] for path in self._folder.glob("*-*.safetensors")]
        return sorted({int(name) for name in names if name.isdecimal()})

    def keep_only(self, number: int) -> None:
        """Remove all other entries."""
        for other in self.numbers():
            if other != number:
                for path in self._files(other):
                    path.unlink(missing_ok=True)

    def _files(self, number: int) -> list[Path]:
        return sorted(self._folder.glob(f"{number:06d}-*.safetensors"))

    def _checksum(self, number: int, content: bytes) -> str:
        return hashlib.sha256(f"{self._owner} {number} ".encode() + content).hexdigest()[:32]
