"""What a search varies: widths in units, in the order of importance, and nothing that could not be cut."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from emopms.network.channels.encoding import Encoding
from emopms.network.channels.limits import Limits
from emopms.network.channels.table import Channels, Cover, Group

if TYPE_CHECKING:
    from numpy.typing import NDArray


@st.composite
def tables(draw: st.DrawFn) -> Channels:
    """Some groups; and a tensor that has a part of the channels of one of them, as where a layer's output is split."""
    groups: list[Group] = []
    for size, repeats in draw(st.lists(st.tuples(st.integers(1, 9), st.sampled_from((1, 1, 2, 3))), min_size=1)):
        start = groups[-1].start + groups[-1].size if groups else 0
        groups.append(Group(f"layer{len(groups)}", start, size, repeats))
    half = draw(st.sampled_from(groups))
    part = np.arange(half.start, half.start + max(1, half.size // 2))
    limits = Limits(min_channels=draw(st.integers(1, 12)), max_ratio=draw(st.sampled_from((0.2, 0.5, 0.9, 1.0))))
    return Channels(tuple(groups), {"weight": {0: part}}, (), {}, (), limited=demands(groups, limits))


def demands(groups: list[Group], limits: Limits) -> tuple[Cover, ...]:
    """What the limits demand of layers with these groups and nothing else."""
    found = [
        Cover(np.arange(group.start, group.start + group.size), np.full(group.size, group.repeats), least)
        for group in groups
        if (least := limits.least(group.size * group.repeats))
    ]
    return tuple(sorted(found, key=lambda cover: len(cover.bits)))


settings = st.fixed_dictionaries({"widths": st.booleans(), "multiple": st.sampled_from((1, 1, 2, 4, 8))})


def importance_of(channels: Channels, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random(channels.genes)


@given(tables(), settings, st.integers(0, 9))
def test_valid_codes_are_what_they_promise(channels: Channels, how: dict[str, int], seed: int) -> None:
    rng, importance = np.random.default_rng(seed), importance_of(channels, seed)
    coding = Encoding(channels, importance, **how)  # type: ignore[arg-type]
    drawn = rng.random((20, coding.bits)) < rng.random((20, 1))
    codes = coding.repair(drawn)
    np.testing.assert_array_equal(coding.repair(codes), codes, err_msg="a valid code is left alone")
    genomes = coding.decode(codes)
    for cover in channels.covers:
        assert cover.met_by(genomes).all()
    for group in channels.groups:
        kept = genomes[:, group.genes]
        widths = kept.sum(axis=1)
        whole = widths * group.repeats % how["multiple"] == 0
        assert (whole | (widths == group.size)).all(), "in units of channels, or full"
        if how["widths"]:
            order = np.argsort(-importance[group.genes], kind="stable")
            assert (np.diff(kept[:, order].astype(int), axis=1) <= 0).all(), "the most important ones"


@given(tables(), settings, st.integers(0, 9))
def test_encoding_gives_the_nearest_widths_and_undoes_decoding(
    channels: Channels, how: dict[str, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    coding = Encoding(channels, importance_of(channels, seed), **how)  # type: ignore[arg-type]
    codes = coding.repair(rng.random((20, coding.bits)) < rng.random((20, 1)))
    np.testing.assert_array_equal(coding.encode(coding.decode(codes)), codes)
    dense = np.ones((1, channels.genes), dtype=np.bool_)
    assert coding.encode(dense).all(), "the dense genome is a candidate"


def test_the_plain_code_is_the_genome() -> None:
    channels = Channels((Group("a", 0, 3), Group("b", 3, 2)), {}, (), {}, ())
    coding = Encoding(channels, np.array([1.0, 3, 2, 1, 5]))
    genomes = np.array([[0, 1, 1, 0, 1], [0, 0, 0, 0, 0]], dtype=np.bool_)
    expected = np.array([[0, 1, 1, 0, 1], [0, 1, 0, 0, 1]], dtype=np.bool_)
    np.testing.assert_array_equal(coding.repair(genomes), expected)
    np.testing.assert_array_equal(coding.decode(expected), expected)


def test_a_width_is_rounded_and_keeps_the_most_important_channels() -> None:
    channels = Channels((Group("a", 0, 10),), {}, (), {}, ())
    coding = Encoding(channels, np.arange(10.0), widths=True, multiple=4)
    assert coding.bits == 3, "4, 8 and all 10 channels"
    for count, width in ((1, 4), (5, 4), (7, 8), (9, 8), (10, 10)):
        genome = np.arange(10) < count  # the least important ones
        (kept,) = coding.decode(coding.encode(genome[None, :]))
        np.testing.assert_array_equal(np.flatnonzero(kept), np.arange(10 - width, 10))


@given(tables(), settings)
def test_the_space_is_as_large_as_it_says(channels: Channels, how: dict[str, int]) -> None:
    whole = replace(channels, dims={})  # what a split-up output needs would make it a little smaller
    coding = Encoding(whole, importance_of(channels, 0), **how)  # type: ignore[arg-type]
    assume(coding.bits <= 10)
    every = np.array(list(product((False, True), repeat=coding.bits)))
    assert math.isclose(10**coding.log10_space, len(np.unique(coding.repair(every), axis=0)))


@given(tables(), settings)
def test_the_least_genome_keeps_what_is_demanded_and_no_unit_more(channels: Channels, how: dict[str, int]) -> None:
    whole = replace(channels, dims={})
    coding = Encoding(whole, importance_of(channels, 0), **how)  # type: ignore[arg-type]
    least = coding.least[None]
    demanded = {cover.bits[0]: cover for cover in whole.covers}  # the limits come last
    for group in whole.groups:
        cover, unit = demanded[group.start], math.lcm(how["multiple"], group.repeats)
        kept = int(least[0, group.genes].sum()) * group.repeats
        assert cover.met_by(least)[0]
        full = group.size * group.repeats
        needed = -(-cover.least * (group.repeats if cover.channels[0] == 1 else 1) // unit) * unit
        assert kept == (needed if needed <= full // unit * unit else full)
