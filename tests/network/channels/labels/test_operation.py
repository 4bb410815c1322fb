from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import fx

from emopms.network.channels.labels.operation import (
    HANDLERS,
    LeftOut,
    NotUnderstoodError,
    Operation,
    Size,
    TiedSize,
    Unknown,
    Value,
    fixed,
    flat,
    handler_of,
    handles,
    values_in,
)
from emopms.network.channels.labels.union_find import UnionFind


@pytest.fixture
def operation() -> Operation:
    node = fx.Graph().placeholder("x")
    node.meta["shape"] = (2, 4)
    return Operation(UnionFind(), "relu", node, None, LeftOut(), prune_residual=False, merged_later=[])


def test_equal_parts_are_tied(operation: Operation) -> None:
    labels = operation.union.fresh(6)
    first = operation.tie(labels, 3)
    np.testing.assert_array_equal(first, labels[:2])
    assert operation.union.roots(labels) == operation.union.roots(first) * 3
    with pytest.raises(NotUnderstoodError):
        operation.tie(labels, 4)


def test_only_equally_many_labels_are_merged(operation: Operation) -> None:
    with pytest.raises(NotUnderstoodError, match="not understood"):
        operation.merge(operation.union.fresh(2), operation.union.fresh(3))


def test_a_number_is_a_size_only_if_it_stays_right(operation: Operation) -> None:
    free, pinned = operation.union.fresh(4), operation.union.fresh(4)
    operation.pin(pinned, "it must stay")
    assert isinstance(operation.size(free), Size)
    assert operation.size(pinned) == 4
    assert operation.is_size(4, pinned)
    assert not operation.is_size(4, free)
    assert operation.is_size(Size(free), free)
    assert not operation.is_size(Size(operation.union.fresh(5)), free)


def test_labels_are_merged_with_the_others_that_their_size_counts(operation: Operation) -> None:
    free, pinned, own = operation.union.fresh(4), operation.union.fresh(2), operation.union.fresh(4)
    operation.pin(pinned, "it must stay")
    for there in (pinned, free[:2]):
        operation.union.merge(own[:2] if there is pinned else own[2:], there)
    assert operation.is_size(Size(own), np.append(pinned, free[:2])), "one of them is pinned, and so is the other"
    assert operation.is_size(Size(free), own[[2, 3, 0, 1]])
    assert operation.is_free(free), "until all streams are known"
    ((counted, labels),) = operation.merged_later[-1:]
    operation.merge(counted, labels)
    assert not operation.is_free(free[2:]), "they are merged with pinned ones"


def test_a_part_of_a_size_is_whichever_part_it_is_used_for(operation: Operation) -> None:
    labels = operation.union.fresh(4)
    half = Size(labels, 2)
    assert half.count == 2
    operation.merge(labels[::2], labels[1::2])
    assert operation.is_size(half, labels[::2])
    assert len(set(operation.union.roots(labels))) == 2
    other = operation.union.fresh(2)
    assert operation.is_size(Size(operation.union.fresh(4), 2), other)
    assert len(set(operation.union.roots(other))) == 2


def test_a_tied_size_is_merged_with_what_it_counts(operation: Operation) -> None:
    own, counted = operation.union.fresh(3), operation.union.fresh(3)
    assert operation.is_size(TiedSize(own), counted)
    assert operation.union.roots(own) == operation.union.roots(counted)


def test_dimensions_are_counted_from_zero(operation: Operation) -> None:
    assert operation.shape == (2, 4)
    assert operation.axis(-1, 4) == 3
    assert operation.axes((0, -2), 4) == [0, 2]
    assert operation.axes(None, 3) == [0, 1, 2]
    with pytest.raises(NotUnderstoodError):
        operation.axis(None, 4)


def test_values_are_found_however_nested() -> None:
    value, size, unknown = Value((fixed(2),)), Size(fixed(3)), Unknown()
    nested = ([value, 1], {"a": (size,), "b": slice(None, unknown)}, "text")
    assert list(values_in(nested)) == [value, size, unknown]
    assert value.shape == (2,)


def test_methods_in_place_have_the_handler_of_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("frobnicate", torch.special.erfcx):
        monkeypatch.setitem(HANDLERS, name, None)
    handler = handles("frobnicate", torch.special.erfcx)(lambda op, x: x)
    assert handler_of("frobnicate") is handler_of("frobnicate_") is handler_of(torch.special.erfcx) is handler
    assert handler_of("no_such_method") is None
    assert handler_of("__dunder_") is None


def test_sizes_come_one_by_one_or_as_a_sequence() -> None:
    assert flat((2, 3)) == flat(((2, 3),)) == flat([[2, 3]]) == (2, 3)
