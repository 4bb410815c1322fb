"""Tensors kept for later, as long as there is room for them."""

from __future__ import annotations

from collections import Counter, OrderedDict
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import torch

from emopms.network.runtime.row_buffer import extent

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from torch import Tensor


_CANDIDATES = 32
"""As many as this, at least, shall find room with what is kept of them: a good part of a population."""
_ENTRIES = 512
"""At most: of small networks there would be room for every candidate that ever was, and no use for the oldest."""


class _Entry(NamedTuple):
    source: Tensor
    value: Tensor


class ActivationCache:
    """What was computed from a tensor, by key; the least recently used is forgotten first.

    Several threads may use it at once. Memory is taken over from what is forgotten: new memory has to be cleared by the
    operating system first, which takes as long as computing what goes into it.

    Args:
        room: Bytes.
        images: How many images it is computed for, in all.
    """

    def __init__(self, room: int, images: int = 1) -> None:
        self.room = room
        self.share = room // (_CANDIDATES * max(1, images))
        """How many bytes an image may be kept of one candidate, for a good many candidates to have their place."""
        self._taken = 0
        self._lock = Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._in_use: Counter[Hashable] = Counter()

    @contextmanager
    def longest_prefix(self, source: Tensor, keys: Sequence[Hashable]) -> Iterator[tuple[int, Tensor] | None]:
        """The last of the keys under which something is kept for this very tensor: its index, and what is kept.

        It stays for as long as the context lasts.
        """
        found, full = None, None
        with self._lock:
            for index in reversed(range(len(keys))):
                full = id(source), keys[index]  # an entry holds its source, so that no other gets its id meanwhile
                if full in self._entries:
                    self._entries.move_to_end(full)
                    self._in_use[full] += 1
                    found = index, self._entries[full].value
                    break
        try:
            yield found
        finally:
            if found is not None:
                with self._lock:
                    self._in_use[full] -= 1
                    self._in_use += Counter()  # drops what is at zero

    def allocate(self, count: int, piece: Tensor) -> Tensor | None:
        """An empty tensor for so many rows like those of a piece, to keep or give back; None where there is no room.

        Args:
            piece: Laid out row by row.
        """
        shape, strides = (count, *piece.shape[1:]), piece.stride()
        numbers = extent(shape, strides)
        size = numbers * piece.element_size()
        if size > self.room:
            return None
        with self._lock:
            old: Tensor | None = None
            crowded = self._taken + size > self.room or len(self._entries) >= _ENTRIES
            for full in [full for full in self._entries if not self._in_use[full]] if crowded else []:
                old = self._entries.pop(full).value
                if old.untyped_storage().nbytes() == size and old.dtype == piece.dtype:
                    break
                self._taken -= old.untyped_storage().nbytes()
                old = None
                if self._taken + size <= self.room:
                    break
            if old is None and self._taken + size > self.room:
                return None
            if old is None:
                self._taken += size
        storage = old if old is not None else piece.new_empty(numbers)
        return torch.as_strided(storage, shape, strides, 0)

    def keep(self, source: Tensor, key: Hashable, value: Tensor) -> None:
        """Keep a filled `space` for this very tensor, under a key."""
        with self._lock:
            if self._entries.setdefault((id(source), key), _Entry(source, value)).value is not value:
                self._taken -= value.untyped_storage().nbytes()  # another thread was faster

    @property
    def bytes_used(self) -> int:
        """Bytes of what is kept, and of the spaces that were asked for."""
        return self._taken

    def release(self, allocate: Tensor) -> None:
        """Do without a `space` that will not be filled."""
        with self._lock:
            self._taken -= allocate.untyped_storage().nbytes()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._taken -= sum(entry.value.untyped_storage().nbytes() for entry in self._entries.values())
            self._entries.clear()
