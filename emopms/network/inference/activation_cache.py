"""A cache of activations inside a sub-network that several candidates share.

A candidate is the sub-network pruned by one genome. Candidates whose genomes start with the same genes have some
activations in common.
"""

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
"""The cache must have enough memory for the activations of at least this number of candidates. One generation of a
search usually has not many more candidates."""
_MAX_ENTRIES = 512
"""Largest number of tensors in the cache. For a small network, the memory would be enough for all candidates of a
search, but the oldest tensors are not used again."""


class _Entry(NamedTuple):
    source: Tensor
    value: Tensor


class ActivationCache:
    """Stores tensors by key and by the input tensor that they were computed from.

    When the cache is full, the tensor whose last use is longest ago is dropped first. Several threads may use the cache
    at once. The memory of a dropped tensor is used again for a new tensor. The operating system would have to clear new
    memory first, which takes as long as computing the activations.

    Args:
        room: Largest total size of all tensors in the cache, in bytes.
        images: Number of images, in all batches together, whose activations are cached.
    """

    def __init__(self, room: int, images: int = 1) -> None:
        self.room = room
        self.room_per_image = room // (_MIN_CANDIDATES * max(1, images))
        """Bytes that the cached activations of one candidate may take for one image."""
        self._taken = 0
        self._lock = Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._in_use: Counter[Hashable] = Counter()

    @contextmanager
    def longest_prefix(self, source: Tensor, keys: Sequence[Hashable]) -> Iterator[tuple[int, Tensor] | None]:
        """Find the last of the keys that has an entry for the tensor ``source``.

        The entry is not dropped within the context.

        Args:
            source: The input tensor. An equal tensor that is another object has entries of its own.
            keys: The keys to look up, from the shortest part of the network to the longest.

        Yields:
            The index of the key and the cached tensor, or None if no key has an entry.
        """
        found, full_key = None, None
        with self._lock:
            for index in reversed(range(len(keys))):
                full_key = id(source), keys[index]  # an entry holds its source: no other tensor gets this id
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
        """Yield one buffer per key, and store the filled buffers in the cache if the context ends without an error.

        A buffer has no tensor if the cache does not have enough memory. After an error, the memory of all buffers is
        released.

        Args:
            source: The input tensor. Each buffer has the same number of rows.
            keys: The keys under which the buffers are stored.
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
        """Allocate an uninitialised tensor. The caller must pass it to `keep` or `release` later.

        Args:
            count: Number of rows.
            piece: A tensor [rows, …] in which the elements of each row are next to each other in memory. The new tensor
                has the strides, the dtype and the row shape of ``piece``.

        Returns:
            A tensor [count, …], or None if the cache does not have enough memory.
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
        """Store a filled tensor that `allocate` returned, under a key and the tensor object ``source``."""
        with self._lock:
            if self._entries.setdefault((id(source), key), _Entry(source, value)).value is not value:
                self._taken -= value.untyped_storage().nbytes()  # another thread has stored it before

    def release(self, value: Tensor) -> None:
        """Release the memory of a tensor that `allocate` returned and that will not be stored."""
        with self._lock:
            self._taken -= value.untyped_storage().nbytes()

    def clear(self) -> None:
        """Drop all tensors in the cache."""
        with self._lock:
            self._taken -= sum(entry.value.untyped_storage().nbytes() for entry in self._entries.values())
            self._entries.clear()
