from __future__ import annotations

import numpy as np

from emopms.network.channels.labels.union_find import FIXED, UnionFind


def test_merged_labels_are_one_class() -> None:
    union = UnionFind()
    first, second, third = union.fresh(3), union.fresh(3), union.fresh(3)
    union.merge(first, second)
    union.merge(second[::-1], third)
    assert union.roots(first) == union.roots(second) == union.roots(third)[::-1]
    assert len(set(union.roots(first))) == 3
    assert union.are_same(first, third)
    assert not union.are_same(first, third[:2])


def test_pinning_one_label_pins_its_class_and_what_is_merged_later() -> None:
    union = UnionFind()
    first, second, third = union.fresh(2), union.fresh(2), union.fresh(2)
    union.merge(first, second)
    union.pin(first[:1], "it is pinned")
    union.merge(second, third)
    assert [union.reason(label) for label in third.tolist()] == ["it is pinned", None]
    assert union.is_free(third)
    assert not union.is_free(third[:1])


def test_pinned_classes_keep_their_own_reasons() -> None:
    union = UnionFind()
    first, second = union.fresh(1), union.fresh(1)
    union.pin(first, "one")
    union.pin(second, "other")
    union.merge(first, second)
    union.pin(first, "later")
    assert [union.reason(int(label)) for label in (*first, *second)] == ["one", "other"]


def test_padding_and_indices_that_are_no_channels_are_pinned() -> None:
    union = UnionFind()
    labels = union.fresh(2)
    padded = union.padded(labels, 1, 2)
    assert [union.reason(label) is None for label in padded.tolist()] == [False, True, True, False, False]
    np.testing.assert_array_equal(padded[1:3], labels)
    assert union.reason(FIXED) is not None
