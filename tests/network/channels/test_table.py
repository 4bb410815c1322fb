"""Channel tables; `labels/test_propagation.py` has how they are found."""

from __future__ import annotations

import numpy as np

from emopms.network.channels.table import Channels, Group, Layer, ensure_nonempty, joined


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


def test_cover_sets_are_those_of_groups_and_of_dimensions_without_a_fixed_index() -> None:
    channels = table("a")
    assert [genes.tolist() for genes in channels.cover_sets] == [[0, 1]], "each set once"
    mixed = Channels((*channels.groups, Group("b", 2, 2)), {"w": {1: np.array([1, 2, 1])}}, (), {}, ())
    assert [genes.tolist() for genes in mixed.cover_sets] == [[0, 1], [2, 3], [1, 2]]


def test_only_empty_sets_get_their_most_important_bit() -> None:
    strings = np.array([[0, 0, 0, 1], [1, 0, 0, 0]], dtype=bool)
    ensure_nonempty(strings, [np.array([0, 1]), np.array([2, 3])], np.array([1.0, 2.0, 4.0, 3.0]))
    assert strings.astype(int).tolist() == [[0, 1, 0, 1], [1, 0, 1, 0]]
