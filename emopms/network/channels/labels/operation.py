"""What a handler sees of the operation it handles, and the table of handlers."""

from __future__ import annotations

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
    """Whether it is made of parameters alone."""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(labels) for labels in self.dims)


@dataclass(frozen=True, eq=False)
class Size:
    """An integer that counts labels: it shrinks as they are dropped."""

    labels: Labels


class TiedSize(Size):
    """One that a module keeps beside its tensors: whatever it is used to count is tied to what it follows."""


class Unknown:
    """What came out of an operation that is not understood, where that is not one tensor."""


class NotUnderstoodError(Exception):
    """This use of an operation is not understood: whatever enters it is pinned.

    Args:
        why: What is in the way, as the end of "it meets reshape, …".
    """

    def __init__(self, why: str = "which is not understood here") -> None:
        super().__init__(why)


@dataclass(frozen=True)
class Operation:
    """One call in the graph.

    A handler takes it, and behind it the arguments of the call, in which tensors are values and sizes that may
    shrink are `Size`. It returns what the call returns, in the same terms, having tied what belongs together.
    """

    union: UnionFind
    name: str
    node: fx.Node
    layer: nn.Module | None
    """The layer in whose forward this happens, if its static sizes follow its tensors (see `sizes`)."""
    uncounted: set[str]
    """Operations that the cost model leaves out."""
    prune_residual: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor that comes out, on the example."""
        shape: tuple[int, ...] = self.node.meta["shape"]
        return shape

    def require(self, condition: bool, why: str = "this use of which is not understood here") -> None:
        if not condition:
            raise NotUnderstoodError(why)

    def merge(self, left: Labels, right: Labels) -> None:
        self.require(len(left) == len(right))
        self.union.merge(left, right)

    def tie(self, labels: Labels, parts: int) -> Labels:
        """Equal parts, each of which keeps the same positions; returns the first of them."""
        self.require(len(labels) % parts == 0)
        rows = labels.reshape(parts, -1)
        for row in rows[1:]:
            self.union.merge(rows[0], row)
        first: Labels = rows[0]
        return first

    def pin(self, labels: Labels, reason: str) -> None:
        self.union.pin(labels, reason)

    def is_free(self, labels: Labels) -> bool:
        return self.union.is_free(labels)

    def size(self, labels: Labels) -> int | Size:
        return Size(labels) if self.is_free(labels) else len(labels)

    def is_size(self, written: Any, labels: Labels) -> bool:
        """Whether a number that stands in the forward is how many there are of these labels, whatever is dropped.

        A `Follower` is made to be."""
        if isinstance(written, TiedSize) and len(written.labels) == len(labels):
            self.union.merge(written.labels, labels)
        if isinstance(written, Size):
            pinned = not self.is_free(written.labels) and not self.is_free(labels)
            return pinned or self.union.are_same(written.labels, labels)
        return written == len(labels) and not self.is_free(labels)

    def axis(self, dim: Any, rank: int) -> int:
        self.require(isinstance(dim, int))
        return int(dim) % rank

    def axes(self, dims: Any, rank: int) -> list[int]:
        if dims is None:
            return list(range(rank))
        return [self.axis(dim, rank) for dim in (dims if isinstance(dims, tuple | list) else (dims,))]


def fixed(count: int) -> Labels:
    """Labels of indices that are no channels."""
    return np.full(count, FIXED)


def values_in(argument: Any) -> Iterator[Any]:
    """All tensors, sizes and unknowns in an argument, however nested."""
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
"""By function, or by name of a tensor's method."""


def handles(*targets: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a handler for functions and, by name, for methods of tensors, those that work in place included."""

    def enter(handler: Callable[..., Any]) -> Callable[..., Any]:
        HANDLERS.update(dict.fromkeys(targets, handler))
        return handler

    return enter


def handler_of(target: Any) -> Callable[..., Any] | None:
    if isinstance(target, str) and target not in HANDLERS and not target.startswith("__"):
        target = target.removesuffix("_")
    return HANDLERS.get(target)


def flat(sizes: Sequence[Any]) -> tuple[Any, ...]:
    """Sizes written one by one, ``x.view(2, 3)``, or as one sequence, ``x.view((2, 3))``."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else tuple(sizes)
