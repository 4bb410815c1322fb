"""A large tensor that is filled piece by piece, and functions that allocate it in memory or in a file."""

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

    The tensor has the memory layout of the pieces, so that operations choose the same kernels for slices of the tensor
    as for the pieces.

    Args:
        count: Number of rows.
        allocate: A function of the count and the first piece. It returns the empty tensor, or None if there is not
            enough memory. If it returns None, pieces are not stored.
    """

    def __init__(self, count: int, allocate: Callable[[int, Tensor], Tensor | None]) -> None:
        self._count, self._allocate = count, allocate
        self._tensor: Tensor | None = None

    @property
    def tensor(self) -> Tensor | None:
        """The tensor, or None if no piece was added or there was not enough memory."""
        return self._tensor

    def add(self, piece: Tensor, rows: slice) -> Tensor:
        """Store a piece, and return it with the elements of each row next to each other in memory.

        Args:
            piece: A tensor [rows, …].
            rows: The rows of the large tensor that the piece fills. The first piece must start at row 0.
        """
        if piece.stride(0) < extent(piece.shape[1:], piece.stride()[1:]):
            piece = piece.contiguous()
        if rows.start == 0:
            self._tensor = self._allocate(self._count, piece)
        if self._tensor is not None:
            self._tensor[rows] = piece
        return piece


def extent(shape: Sequence[int], strides: Sequence[int]) -> int:
    """Return the number of elements from the first to the last element of a tensor in memory, gaps included."""
    return 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))


def allocate_like(count: int, piece: Tensor) -> Tensor:
    """Return an uninitialised tensor of ``count`` rows with the shape and layout of a piece's rows, on its device."""
    return piece.new_empty_strided((count, *piece.shape[1:]), piece.stride())


def allocate_or_spill(count: int, piece: Tensor) -> Tensor:
    """Return an uninitialised tensor of ``count`` rows with the shape and layout of a piece's rows.

    The tensor is on the piece's device. If it would take too much memory there, it is in main memory or in a file.

    Raises:
        RunError: The tensor is too large for the memory, and the disk does not have enough space either.
    """
    numbers = extent((count, *piece.shape[1:]), piece.stride())
    size = numbers * piece.element_size()
    if piece.device.type == "cuda" and size <= memory_budget("cuda"):
        return allocate_like(count, piece)
    # The operating system counts memory as taken only when it is filled. Callers allocate two such tensors before they
    # fill one of them. Therefore each tensor may take a quarter of the available memory.
    if size <= available_memory() // 4:
        flat = torch.empty(numbers, dtype=piece.dtype, pin_memory=piece.device.type == "cuda")
    else:
        flat = _in_file(numbers, size, piece.dtype)
    return flat.as_strided((count, *piece.shape[1:]), piece.stride())


def _in_file(numbers: int, size: int, dtype: torch.dtype) -> Tensor:
    """Return a tensor in a file without a name.

    The operating system deletes the file when the tensor is freed or when the process ends, even if it is killed.
    """
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
