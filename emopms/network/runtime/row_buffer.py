"""One large tensor that is filled piece by piece, and where its memory comes from."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import torch

from emopms.errors import RunError
from emopms.network.runtime.free_memory import available_memory, memory_budget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


class RowBuffer:
    """A tensor that is filled piece by piece.

    It has the memory layout of the pieces, so that the same kernels run on its slices.

    Args:
        count: Number of rows.
        allocate: A function that makes the tensor, given the count and the first piece, or returns None for lack of
            room. Then pieces are not stored.
    """

    def __init__(self, count: int, allocate: Callable[[int, Tensor], Tensor | None]) -> None:
        self._count, self._allocate = count, allocate
        self._tensor: Tensor | None = None

    @property
    def tensor(self) -> Tensor | None:
        """The tensor, or None if nothing was added or there was no room."""
        return self._tensor

    def add(self, piece: Tensor, rows: slice) -> Tensor:
        """Store a piece, and return it laid out row by row.

        Args:
            piece: A tensor [rows, …].
            rows: The rows that it fills. The first piece that is added must start at row 0.
        """
        if piece.stride(0) < extent(piece.shape[1:], piece.stride()[1:]):
            piece = piece.contiguous()
        if rows.start == 0:
            self._tensor = self._allocate(self._count, piece)
        if self._tensor is not None:
            self._tensor[rows] = piece
        return piece


def extent(shape: Sequence[int], strides: Sequence[int]) -> int:
    """Return how many elements of memory a tensor spans, gaps included."""
    return 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))


def allocate_like(count: int, piece: Tensor) -> Tensor:
    """Return an empty tensor of ``count`` rows like those of a piece, on the piece's device."""
    return piece.new_empty_strided((count, *piece.shape[1:]), piece.stride())


def allocate_or_spill(count: int, piece: Tensor) -> Tensor:
    """Return an empty tensor of ``count`` rows like those of a piece.

    It is on the piece's device or, if it would take too much memory there, in main memory or in a file.

    Raises:
        RunError: There is no room on the disk either.
    """
    numbers = extent((count, *piece.shape[1:]), piece.stride())
    size = numbers * piece.element_size()
    if piece.device.type == "cuda" and size <= memory_budget("cuda"):
        return allocate_like(count, piece)
    # Memory is taken only when it is filled, and callers allocate two such tensors before they fill them.
    if size <= available_memory() // 4:
        flat = torch.empty(numbers, dtype=piece.dtype, pin_memory=piece.device.type == "cuda")
    else:
        flat = _in_file(numbers, size, piece.dtype)
    return flat.as_strided((count, *piece.shape[1:]), piece.stride())


def _in_file(numbers: int, size: int, dtype: torch.dtype) -> Tensor:
    """Return a tensor in a file that vanishes with the tensor, or with the process, however it ends."""
    with tempfile.NamedTemporaryFile(prefix="emopms-features-") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise RunError(
                f"Features of the images take {size / 2**30:.1f} GiB, for which there is neither memory nor room "
                f"in {tempfile.gettempdir()}: {error.strerror}.",
                remedy="Lower `data.calibration`, free memory, or let TMPDIR name a folder on a larger disk.",
            ) from error
        return torch.from_file(file.name, shared=True, size=numbers, dtype=dtype)
