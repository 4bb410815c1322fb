"""One large tensor from pieces of it, kept where there is room."""

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
    """One tensor from pieces of it.

    It has the layout of the pieces, so that the same kernels run on what is taken from it.

    Args:
        count: Rows.
        space: Where the tensor gets its memory, given a count and a piece; it is not made where that returns None.
    """

    def __init__(self, count: int, allocate: Callable[[int, Tensor], Tensor | None]) -> None:
        self._count, self._allocate = count, allocate
        self._tensor: Tensor | None = None

    @property
    def tensor(self) -> Tensor | None:
        """What has been gathered; None where there was no space for it."""
        return self._tensor

    def add(self, piece: Tensor, rows: slice) -> Tensor:
        """Put a piece in its place; returns it, laid out row by row.

        Args:
            rows: Its place. The first piece that is added is that of row 0.
        """
        if piece.stride(0) < extent(piece.shape[1:], piece.stride()[1:]):
            piece = piece.contiguous()
        if rows.start == 0:
            self._tensor = self._allocate(self._count, piece)
        if self._tensor is not None:
            self._tensor[rows] = piece
        return piece


def extent(shape: Sequence[int], strides: Sequence[int]) -> int:
    """Numbers from the first to the last of a tensor, those between its own included."""
    return 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))


def allocate_like(count: int, piece: Tensor) -> Tensor:
    """Space for so many rows like a piece's, where the piece is."""
    return piece.new_empty_strided((count, *piece.shape[1:]), piece.stride())


def allocate_or_spill(count: int, piece: Tensor) -> Tensor:
    """Space for so many rows like a piece's: where the piece is or, where they would take too much of that memory, in
    main memory or in a file.

    Raises:
        RunError: There is no room on the disk either.
    """
    numbers = extent((count, *piece.shape[1:]), piece.stride())
    size = numbers * piece.element_size()
    if piece.device.type == "cuda" and size <= memory_budget("cuda"):
        return allocate_like(count, piece)
    if size <= available_memory() // 4:  # memory is taken when it is filled: two such tensors are asked for first
        flat = torch.empty(numbers, dtype=piece.dtype, pin_memory=piece.device.type == "cuda")
    else:
        flat = _in_file(numbers, size, piece.dtype)
    return flat.as_strided((count, *piece.shape[1:]), piece.stride())


def _in_file(numbers: int, size: int, dtype: torch.dtype) -> Tensor:
    """Memory in a file that goes when nobody needs it any more, or the process ends in whatever way."""
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
