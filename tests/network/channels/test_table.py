"""Channel tables; `labels/test_propagation.py` has how they are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emopms.network.channels.table import Channels, Cover, Group, Layer, ensure_covered, joined


def table(name: str, start: int = 0, *, pinned: str = "") -> Channels:
    genes = np.array([start, start + 1, -1])
    return Channels(
        groups=(Group(name, start, 2),),
        dims={f"{name}.weight": {0: genes}, "next.weight": {1: np.array([start, start + 1])}},
        layers=(Layer(name, f"{name}.weight", 4), Layer("next", "next.weight", 1)),
        pinned={pinned: "a reason"} if pinned else {},
        uncounted=("softmax",),
    )


def test_a_joined_table_has_the_genes_of_all_one_after_the_other() -> None:
    first, second = table("a", pinned="c"), table("b")
    both = joined([first, Channels(second.groups, {"b.weight": second.dims["b.weight"]}, second.layers, {}, ("cat",))])
    assert both.genes == 4
    assert [(group.name, group.start, group.genes) for group in both.groups] == [
        ("a", 0, slice(0, 2)),
        ("b", 2, slice(2, 4)),
    ]
    assert both.dims["a.weight"][0].tolist() == [0, 1, -1]
    assert both.dims["b.weight"][0].tolist() == [2, 3, -1]
    assert [layer.name for layer in both.layers] == ["a", "next", "b"]
    assert both.pinned == {"c": "a reason"}
    assert both.uncounted == ("cat", "softmax")


def test_indices_of_one_dimension_may_have_genes_of_several_tables() -> None:
    first = Channels((Group("a", 0, 1),), {"w": {0: np.array([0, -1])}}, (), {}, ())
    second = Channels((Group("b", 0, 1),), {"w": {0: np.array([-1, 0])}}, (), {}, ())
    assert joined([first, second]).dims["w"][0].tolist() == [0, 1]


def cover(*bits: int, channels: int = 1, least: int = 1) -> Cover:
    return Cover(np.array(bits), np.full(len(bits), channels), least)


def test_groups_and_dimensions_without_a_fixed_index_are_covered() -> None:
    channels = table("a")
    assert [cover.bits.tolist() for cover in channels.covers] == [[0, 1]], "each set once"
    mixed = Channels((*channels.groups, Group("b", 2, 2)), {"w": {1: np.array([1, 2, 1])}}, (), {}, ())
    assert [cover.bits.tolist() for cover in mixed.covers] == [[0, 1], [2, 3], [1, 2]]
    assert {cover.least for cover in mixed.covers} == {1}


def test_a_joined_table_demands_what_its_tables_demand() -> None:
    limited = replace(table("a"), limited=(cover(0, 1, channels=3, least=4),), prunable=("a",))
    both = joined([table("c"), limited])
    (last,) = both.limited
    assert (last.bits.tolist(), last.channels.tolist(), last.least) == ([2, 3], [3, 3], 4)
    assert both.covers[-1] is last
    assert both.prunable == ("a",)


def test_only_empty_sets_get_their_most_important_bit() -> None:
    strings = np.array([[0, 0, 0, 1], [1, 0, 0, 0]], dtype=bool)
    ensure_covered(strings, [cover(0, 1), cover(2, 3)], np.array([1.0, 2.0, 4.0, 3.0]))
    assert strings.astype(int).tolist() == [[0, 1, 0, 1], [1, 0, 1, 0]]


def test_channels_are_counted_and_not_bits() -> None:
    strings = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 1]], dtype=bool)
    ensure_covered(strings, [cover(0, 1, 2, channels=4, least=5)], np.array([1.0, 2.0, 3.0]))
    assert strings.astype(int).tolist() == [[0, 1, 1], [1, 0, 1], [0, 1, 1]]


@given(st.integers(0, 2**32 - 1))
def test_covers_are_met_by_few_of_the_most_important_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bits, channels = np.flatnonzero(rng.random(12) < 0.7), rng.integers(1, 4, 12)
    demanded = Cover(bits, channels[bits], int(rng.integers(0, channels[bits].sum() + 1)))
    importance, before = rng.integers(0, 5, 12).astype(float), rng.random((20, 12)) < rng.random((20, 1))
    after = before.copy()
    ensure_covered(after, [demanded], importance)
    assert demanded.met_by(after).all()
    assert (after >= before).all(), "nothing is dropped"
    for old, new in zip(before, after, strict=True):
        added = np.flatnonzero(new & ~old)
        assert set(added) <= set(bits.tolist())
        if len(added):
            left = np.flatnonzero(~new[bits])
            assert importance[added].min() >= importance[bits[left]].max(initial=-1), "the most important ones"
            last = added[importance[added] == importance[added].min()][-1]
            fewer = new.copy()
            fewer[last] = False
            assert not demanded.met_by(fewer[None])[0], "no more than needed"
