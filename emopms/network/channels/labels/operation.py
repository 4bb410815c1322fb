"""The objects that handlers work on, and the table of handlers.

A handler is a function that merges labels for one kind of operation. A label is an integer that stands for a set of
indices that are kept or dropped together. A handler gets an `Operation`, and the call's arguments, in which `Value` and
`Size` objects stand for tensors and for numbers that may shrink.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emopms.network.channels.labels.union_find import FIXED, Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import fx, nn

    from emopms.network.channels.labels.union_find import UnionFind


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor in the forward pass, with a label for each index along each of its dimensions.

    A label is an integer that stands for a set of indices that are kept or dropped together.
    """

    dims: tuple[Labels, ...]
    """For each dimension of the tensor, the labels of its indices. Indices with the same label are kept or dropped
    together."""
    learnt: bool = False
    """Whether the tensor depends on parameters alone, and not on the images."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the tensor has for the example images."""
        return tuple(len(labels) for labels in self.dims)


@dataclass(frozen=True, eq=False)
class Size:
    """An integer in the forward pass that shrinks when channels are pruned, such as the width of a tensor.

    It equals the number of indices along a dimension of a tensor, or a multiple or a fraction of this number. Each of
    these indices has a label, which says with which other indices the index is kept or dropped.
    """

    labels: Labels
    """Labels of the indices whose number gives the size. Indices with the same label are kept or dropped together."""
    parts: int = 1
    """Number of equal parts into which ``labels`` are divided. The size is the number of labels in one part: after
    ``width // 2``, there are two parts. Which labels form a part is decided where the forward uses the size."""

    @property
    def count(self) -> int:
        """The value of the size in the forward pass of the example images."""
        return len(self.labels) // self.parts


class TiedSize(Size):
    """A size that a module stores as an attribute, such as its number of heads.

    If the forward uses the size for a dimension, the indices of this dimension are kept or dropped together with the
    indices that the size counts.
    """


class Unknown:
    """The output of an operation that is not understood, if this output is not a single tensor."""


class NotUnderstoodError(Exception):
    """A handler does not support this use of an operation. The indices of its inputs are then never pruned.

    Args:
        why: The reason, as a clause that follows "it meets reshape, ".
    """

    def __init__(self, why: str = "which is not understood here") -> None:
        super().__init__(why)


class LeftOut:
    """The operations that the cost model does not count, with their MACs for one image if these are known."""

    def __init__(self) -> None:
        self._macs: dict[str, list[int | None]] = {}

    def add(self, name: str, macs: int | None = None) -> None:
        """Add an operation that the cost model does not count. ``macs`` is None if its MACs are not known."""
        self._macs.setdefault(name, []).append(macs)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all operations that the cost model does not count."""
        return tuple(sorted(self._macs))

    @property
    def macs(self) -> dict[str, int]:
        """The sum of the MACs of all operations with the same name, by this name.

        A name is left out if the MACs of one of its operations are not known.
        """
        return {name: sum(one for one in own if one) for name, own in sorted(self._macs.items()) if None not in own}


@dataclass(frozen=True)
class Operation:
    """One call of a function or method in the graph.

    A handler is called with the operation and the arguments of the call. In these arguments, a `Value` stands for each
    tensor, and a `Size` stands for each size that may shrink. The handler merges the labels of channels that must be
    kept or dropped together. It returns the result of the call in the same form.
    """

    union: UnionFind
    """All labels of the sub-network, and which of them are merged. A label is an integer that stands for a set of
    indices that are kept or dropped together."""
    name: str
    """Name of the operation, for messages."""
    node: fx.Node
    """The graph node of the call."""
    layer: nn.Module | None
    """The layer whose forward contains the call, if its class is in `RESIZABLE`. Such a layer's size attributes are
    adapted when its tensors get smaller. Otherwise None."""
    left_out: LeftOut
    """The operations that the cost model does not count."""
    prune_residual: bool
    """Whether channels that residual connections inside the sub-network add are pruned."""
    merged_later: list[tuple[Labels, Labels]]
    """Pairs of arrays of labels. The labels at the same position in both arrays of a pair are merged after all
    operations have been handled."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape that the output tensor of the operation has for the example images."""
        shape: tuple[int, ...] = self.node.meta["shape"]
        return shape

    @property
    def size_for_one(self) -> int | None:
        """Number of elements of the output tensor for one image, or None if this number is not known."""
        shape = self.node.meta.get("shape_of_one")
        return None if shape is None else math.prod(shape)

    def leave_out(self, macs: int | None = None) -> None:
        """Record that the cost model does not count this operation.

        Args:
            macs: MACs of the operation for one image, or None if they are not known.
        """
        self.left_out.add(self.name, macs)

    def require(self, condition: bool, why: str = "this use of which is not understood here") -> None:
        """Raise `NotUnderstoodError` with the reason ``why`` if the condition is False."""
        if not condition:
            raise NotUnderstoodError(why)

    def merge(self, left: Labels, right: Labels) -> None:
        """Merge the labels at the same position in two arrays: their indices are then kept or dropped together.

        Both arrays must have the same length.
        """
        self.require(len(left) == len(right))
        self.union.merge(left, right)

    def tie(self, labels: Labels, parts: int) -> Labels:
        """Divide labels into equal parts, merge the labels at the same position in all parts, and return the first
        part."""
        self.require(len(labels) % parts == 0)
        rows = labels.reshape(parts, -1)
        for row in rows[1:]:
            self.union.merge(rows[0], row)
        first: Labels = rows[0]
        return first

    def pin(self, labels: Labels, reason: str) -> None:
        """Mark the indices of labels as never pruned, and record the reason."""
        self.union.pin(labels, reason)

    def is_free(self, labels: Labels) -> bool:
        """Return whether at least one of the labels is free, which means that its indices may be pruned."""
        return self.union.is_free(labels)

    def size(self, labels: Labels) -> int | Size:
        """Return the number of labels: a `Size` if indices of these labels may be pruned, otherwise an integer."""
        return Size(labels) if self.is_free(labels) else len(labels)

    def is_size(self, written: Any, labels: Labels) -> bool:
        """Return whether a number in the forward equals the number of ``labels``, also after channels were pruned.

        If the number is a `Size` that counts an equal number of other labels, these labels are merged with ``labels``,
        and the result is True. For a `TiedSize` they are merged at once. For any other `Size` they are merged after all
        operations have been handled, because until then the sum of a residual connection must see that its inputs have
        different labels.

        Args:
            written: The number as the forward gives it: an integer or a `Size`.
            labels: The labels of a dimension.
        """
        if not isinstance(written, Size):
            return written == len(labels) and not self.is_free(labels)
        same = written.count == len(labels)
        if isinstance(written, TiedSize) and same:
            self.union.merge(written.labels, labels)
        elif same and not self._counts(written, labels):
            self.merged_later.append((self.counted(written), labels))
            return True
        pinned = not self.is_free(written.labels) and not self.is_free(labels)
        return pinned or self._counts(written, labels)

    def counted(self, size: Size) -> Labels:
        """Return the labels of the indices that a size counts. If it has several parts, labels at the same position are
        merged."""
        return self.tie(size.labels, size.parts)

    def _counts(self, size: Size, labels: Labels) -> bool:
        return self.union.are_same(size.labels, np.tile(labels, size.parts))

    def axis(self, dim: Any, rank: int) -> int:
        """Return the index from 0 of a dimension. A negative ``dim`` counts from the last dimension."""
        self.require(isinstance(dim, int))
        return int(dim) % rank

    def axes(self, dims: Any, rank: int) -> list[int]:
        """Return the indices from 0 of several dimensions. If ``dims`` is None, return all indices."""
        if dims is None:
            return list(range(rank))
        return [self.axis(dim, rank) for dim in listed(dims)]


def fixed(count: int) -> Labels:
    """Return the label of indices that are never pruned, ``count`` times, for indices that are not channels."""
    return np.full(count, FIXED)


def values_in(argument: Any) -> Iterator[Any]:
    """Yield all `Value`, `Size` and `Unknown` objects in an argument. Lists and mappings in it are searched too."""
    if isinstance(argument, Value | Size | Unknown):
        yield argument
    elif isinstance(argument, tuple | list):
        for part in argument:
            yield from values_in(part)
    elif isinstance(argument, dict):
        yield from values_in(tuple(argument.values()))
    elif isinstance(argument, slice):
        yield from values_in((argument.start, argument.stop, argument.step))


HANDLERS: dict[Any, Callable[..., Any]] = {}
"""The handler of each function of PyTorch, and of each tensor method by its name. A handler computes the labels of the
result of a call."""


def handles(*targets: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that registers a function as the handler of ``targets``.

    Args:
        targets: Functions, and names of tensor methods. A name such as ``add`` also stands for the in-place method
            ``add_``.
    """

    def enter(handler: Callable[..., Any]) -> Callable[..., Any]:
        HANDLERS.update(dict.fromkeys(targets, handler))
        return handler

    return enter


def handler_of(target: Any) -> Callable[..., Any] | None:
    """Return the handler of a node's target, or None if the target has no handler."""
    if isinstance(target, str) and target not in HANDLERS and not target.startswith("__"):
        target = target.removesuffix("_")
    return HANDLERS.get(target)


def flat(sizes: Sequence[Any]) -> tuple[Any, ...]:
    """Return the sizes in a call as one sequence. Calls pass them as ``x.view(2, 3)`` or as ``x.view((2, 3))``."""
    return listed(sizes[0]) if len(sizes) == 1 else tuple(sizes)


def listed(argument: Any) -> tuple[Any, ...]:
    """Return an argument as a tuple. The argument is one number or a sequence of numbers."""
    return tuple(argument) if isinstance(argument, tuple | list) else (argument,)
