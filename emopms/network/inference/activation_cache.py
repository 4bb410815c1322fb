"""A cache of intermediate activations that candidates share."""

from __future__ import annotations

from collections import Counter, OrderedDict
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import torch

from emopms.network.runtime.row_buffer import RowBuffer, extent

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from torch import Tensor


_MIN_CANDIDATES = 32
"""The activations of at least this many candidates shall fit: a good part of a population."""
_MAX_ENTRIES = 512
"""Small networks would leave room for every candidate of a search, but the oldest entries are of no use."""


class _Entry(NamedTuple):
    source: Tensor
    value: Tensor


class ActivationCache:
    """Tensors that were computed from an input tensor, by key; the least recently used one is dropped first.

    Several threads may use the cache at once. A dropped entry's memory is reused for a new one: the operating system
    must clear new memory first, which takes as long as computing the activations.

    Args:
        room: Maximal size in bytes.
        images: Number of images, in all batches together, whose activations are cached.
    """

    def __init__(self, room: int, images: int = 1) -> None:
        self.room = room
        self.room_per_image = room // (_MIN_CANDIDATES * max(1, images))
        """Bytes that one candidate may use for one image."""
        self._taken = 0
        self._lock = Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._in_use: Counter[Hashable] = Counter()

    @contextmanager
    def longest_prefix(self, source: Tensor, keys: Sequence[Hashable]) -> Iterator[tuple[int, Tensor] | None]:
        """Find the last of the keys that has an entry for this very tensor; the entry stays within the context.

        Args:
            source: The input tensor. An equal tensor that is another object has entries of its own.
            keys: Candidate keys, from the shortest prefix of a network to the longest.

        Yields:
            The index of the key and the cached tensor, or None if no key has an entry.
        """
        found, full_key = None, None
        with self._lock:
            for index in reversed(range(len(keys))):
                full_key = id(source), keys[index]  # an entry holds its source, so no other tensor can get this id
                if full_key in self._entries:
                    self._entries.move_to_end(full_key)
                    self._in_use[full_key] += 1
                    found = index, self._entries[full_key].value
                    break
        try:
            yield found
        finally:
            if found is not None:
                with self._lock:
                    self._in_use[full_key] -= 1
                    self._in_use += Counter()  # drops the keys whose count is zero

    @contextmanager
    def buffers(self, source: Tensor, keys: Sequence[Hashable]) -> Iterator[list[RowBuffer]]:
        """Hand out one buffer a key, and keep the filled buffers when the context ends without an error.

        A buffer has no tensor if the cache has no room for it. After an error all memory is released.

        Args:
            source: The input tensor; a buffer has as many rows.
            keys: The keys under which the buffers are kept.
        """
        buffers = [RowBuffer(len(source), self.allocate) for _ in keys]
        try:
            yield buffers
        except BaseException:
            for buffer in buffers:
                if buffer.tensor is not None:
                    self.release(buffer.tensor)
            raise
        for key, buffer in zip(keys, buffers, strict=True):
            if buffer.tensor is not None:
                self.keep(source, key, buffer.tensor)

    def allocate(self, count: int, piece: Tensor) -> Tensor | None:
        """Allocate an empty tensor, to be passed to `keep` or `release` later.

        Args:
            count: Number of rows.
            piece: A tensor [rows, …], laid out row by row, whose row shape, strides and dtype the new tensor has.

        Returns:
            A tensor [count, …], or None if there is no room for it.
        """
        shape, strides = (count, *piece.shape[1:]), piece.stride()
        elements = extent(shape, strides)
        size = elements * piece.element_size()
        if size > self.room:
            return None
        with self._lock:
            reused: Tensor | None = None
            crowded = self._taken + size > self.room or len(self._entries) >= _MAX_ENTRIES
            for key in [key for key in self._entries if not self._in_use[key]] if crowded else []:
                reused = self._entries.pop(key).value
                if reused.untyped_storage().nbytes() == size and reused.dtype == piece.dtype:
                    break
                self._taken -= reused.untyped_storage().nbytes()
                reused = None
                if self._taken + size <= self.room:
                    break
            if reused is None and self._taken + size > self.room:
                return None
            if reused is None:
                self._taken += size
        storage = reused if reused is not None else piece.new_empty(elements)
        return torch.as_strided(storage, shape, strides, 0)

    def keep(self, source: Tensor, key: Hashable, value: Tensor) -> None:
        """Keep a filled tensor of `allocate` for this very input tensor, under a key."""
        with self._lock:
            if self._entries.setdefault((id(source), key), _Entry(source, value)).value is not value:
                self._taken -= value.untyped_storage().nbytes()  # another thread was faster

    def release(self, value: Tensor) -> None:
        """Give back a tensor of `allocate` that will not be kept."""
        with self._lock:
            self._taken -= value.untyped_storage().nbytes()

    def clear(self) -> None:
        """Drop all entries."""
        with self._lock:
            self._taken -= sum(entry.value.untyped_storage().nbytes() for entry in self._entries.values())
            self._entries.clear()
