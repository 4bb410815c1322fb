"""The operation that a handler gets, the values it works on, and the table of handlers."""

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
    """A tensor: for each of its dimensions, the label of each index along it."""

    dims: tuple[Labels, ...]
    learnt: bool = False
    """Whether it depends on parameters alone."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape on the example."""
        return tuple(len(labels) for labels in self.dims)


@dataclass(frozen=True, eq=False)
class Size:
    """An integer that counts labels, and so shrinks when they are dropped."""

    labels: Labels
    parts: int = 1
    """It counts the labels of one of so many equal parts. Which labels make up a part is settled when it is used."""

    @property
    def count(self) -> int:
        """The integer on the example."""
        return len(self.labels) // self.parts


class TiedSize(Size):
    """A size that a module stores as an attribute. The labels that it is used to count are merged with its own."""


class Unknown:
    """The output of an operation that is not understood, if it is not one tensor."""


class NotUnderstoodError(Exception):
    """This use of an operation is not understood, so that its inputs are pinned.

    Args:
        why: The reason, as the end of "it meets reshape, …".
    """

    def __init__(self, why: str = "which is not understood here") -> None:
        super().__init__(why)


class LeftOut:
    """What the cost model leaves out: names of operations, and their MACs for one image where they are known."""

    def __init__(self) -> None:
        self._macs: dict[str, list[int | None]] = {}

    def add(self, name: str, macs: int | None = None) -> None:
        """Add an operation."""
        self._macs.setdefault(name, []).append(macs)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all operations."""
        return tuple(sorted(self._macs))

    @property
    def macs(self) -> dict[str, int]:
        """The MACs of the operations for which they are known, by name."""
        return {name: sum(one for one in own if one) for name, own in sorted(self._macs.items()) if None not in own}


@dataclass(frozen=True)
class Operation:
    """One call in the graph.

    A handler is called with the operation and the arguments of the call. Tensors among these are `Value`, and sizes
    that may shrink are `Size`. The handler merges the labels that belong together, and returns the call's result in the
    same form.
    """

    union: UnionFind
    """All labels."""
    name: str
    """Name of the operation, for messages."""
    node: fx.Node
    """The call's node."""
    layer: nn.Module | None
    """The layer in whose forward the call is, if the layer's size attributes follow its tensors (see `RESIZABLE`)."""
    left_out: LeftOut
    """What the cost model leaves out."""
    prune_residual: bool
    """As in `channels_of`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the output tensor on the example."""
        shape: tuple[int, ...] = self.node.meta["shape"]
        return shape

    @property
    def size_for_one(self) -> int | None:
        """Number of elements of the output tensor for one image, or None if that is not known."""
        shape = self.node.meta.get("shape_of_one")
        return None if shape is None else math.prod(shape)

    def leave_out(self, macs: int | None = None) -> None:
        """Note that the cost model leaves the operation out.

        Args:
            macs: Its MACs for one image, if they are known.
        """
        self.left_out.add(self.name, macs)

    def require(self, condition: bool, why: str = "this use of which is not understood here") -> None:
        """Raise `NotUnderstoodError` unless the condition holds."""
        if not condition:
            raise NotUnderstoodError(why)

    def merge(self, left: Labels, right: Labels) -> None:
        """Merge labels pairwise; they must be equally many."""
        self.require(len(left) == len(right))
        self.union.merge(left, right)

    def tie(self, labels: Labels, parts: int) -> Labels:
        """Divide labels into equal parts, merge the parts, and return the first."""
        self.require(len(labels) % parts == 0)
        rows = labels.reshape(parts, -1)
        for row in rows[1:]:
            self.union.merge(rows[0], row)
        first: Labels = rows[0]
        return first

    def pin(self, labels: Labels, reason: str) -> None:
        """Pin labels for a reason."""
        self.union.pin(labels, reason)

    def is_free(self, labels: Labels) -> bool:
        """Return whether any of the labels is free."""
        return self.union.is_free(labels)

    def size(self, labels: Labels) -> int | Size:
        """Return the number of labels, as a `Size` if any of them is free."""
        return Size(labels) if self.is_free(labels) else len(labels)

    def is_size(self, written: Any, labels: Labels) -> bool:
        """Return whether a number in the forward equals the number of these labels, whichever labels are dropped.

        If it is a `Size` that counts other labels, as many, both are merged, so that it does.
        """
        if not isinstance(written, Size):
            return written == len(labels) and not self.is_free(labels)
        if written.count == len(labels) and (isinstance(written, TiedSize) or not self._counts(written, labels)):
            self.union.merge(self.counted(written), labels)
        pinned = not self.is_free(written.labels) and not self.is_free(labels)
        return pinned or self._counts(written, labels)

    def counted(self, size: Size) -> Labels:
        """Return the labels that a size counts; those of the other parts, if it has any, are merged with them."""
        return self.tie(size.labels, size.parts)

    def _counts(self, size: Size, labels: Labels) -> bool:
        return self.union.are_same(size.labels, np.tile(labels, size.parts))

    def axis(self, dim: Any, rank: int) -> int:
        """Return a dimension of a tensor, counted from 0."""
        self.require(isinstance(dim, int))
        return int(dim) % rank

    def axes(self, dims: Any, rank: int) -> list[int]:
        """Return dimensions of a tensor, counted from 0; all for None."""
        if dims is None:
            return list(range(rank))
        return [self.axis(dim, rank) for dim in listed(dims)]


def fixed(count: int) -> Labels:
    """Return labels of indices that are no channels."""
    return np.full(count, FIXED)


def values_in(argument: Any) -> Iterator[Any]:
    """Yield all values, sizes and unknowns in a nested argument."""
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
"""Handlers by function, or by name of a tensor's method."""


def handles(*targets: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a handler for functions and, by name, for methods of tensors and their in-place variants."""

    def enter(handler: Callable[..., Any]) -> Callable[..., Any]:
        HANDLERS.update(dict.fromkeys(targets, handler))
        return handler

    return enter


def handler_of(target: Any) -> Callable[..., Any] | None:
    """Return the handler of a node's target, or None."""
    if isinstance(target, str) and target not in HANDLERS and not target.startswith("__"):
        target = target.removesuffix("_")
    return HANDLERS.get(target)


def flat(sizes: Sequence[Any]) -> tuple[Any, ...]:
    """Return sizes that are passed one by one, ``x.view(2, 3)``, or as one sequence, ``x.view((2, 3))``."""
    return listed(sizes[0]) if len(sizes) == 1 else tuple(sizes)


def listed(argument: Any) -> tuple[Any, ...]:
    """Return an argument that is one number or a sequence of numbers as a sequence."""
    return tuple(argument) if isinstance(argument, tuple | list) else (argument,)
