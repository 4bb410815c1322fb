"""What layers keep, whatever a search prefers."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emopms.network.channels.limits import NO_LIMITS, Limits, LimitsError


@given(st.integers(1, 4096))
def test_nothing_is_demanded_by_default(channels: int) -> None:
    assert NO_LIMITS.least(channels) == 0
    assert NO_LIMITS.pattern_for("layer1.0.conv1") is None


@given(st.integers(1, 4096), st.integers(2, 64))
def test_a_number_of_channels_or_all_of_them(channels: int, number: int) -> None:
    assert Limits(min_channels=number).least(channels) == min(channels, number)


@given(st.integers(1, 4096), st.integers(1, 99))
def test_a_share_is_that_of_exact_arithmetic(channels: int, percent: int) -> None:
    removed = channels - Limits(max_ratio=percent / 100).least(channels)
    assert removed == math.floor(Fraction(percent, 100) * channels)


@given(st.integers(1, 512), st.integers(1, 64), st.floats(0.01, 1))
def test_both_hold_together(channels: int, number: int, ratio: float) -> None:
    both = Limits(min_channels=number, max_ratio=ratio).least(channels)
    assert both == max(Limits(min_channels=number).least(channels), Limits(max_ratio=ratio).least(channels))


def test_the_first_pattern_that_matches_is_named() -> None:
    limits = Limits(keep=("layer1.*", "*.conv1"))
    assert limits.pattern_for("layer1.0.conv1") == "layer1.*"
    assert limits.pattern_for("layer2.0.conv1") == "*.conv1"
    assert limits.pattern_for("conv1") is None, "a path without a dot"
    assert limits.pattern_for("Layer2.0.CONV1") is None


def test_the_reason_names_the_setting() -> None:
    limits = Limits(min_channels=8, max_ratio=0.1)
    assert limits.reason(8) == "`genome: {min_channels: 8}` keeps all of its channels"
    assert Limits(min_channels=50).reason(96) == "`genome: {min_channels: 50}` keeps all of its channels", "two heads"
    assert limits.reason(19) == "`genome: {max_ratio: 0.1}` keeps all of its channels"


def test_a_pattern_without_a_layer_is_refused_with_those_there_are() -> None:
    layers = {"layer1.0.conv1", "layer2.0.conv1"}
    Limits(keep=("layer1.*", "*conv1")).require_matches(layers)
    with pytest.raises(LimitsError, match=r"matches 'layer1\.0\.conv2'") as caught:
        Limits(keep=("layer1.*", "layer1.0.conv2")).require_matches(layers)
    assert caught.value.keys == ("keep", 1)
    assert "Did you mean 'layer1.0.conv1'? Available: layer1.0.conv1, layer2.0.conv1." in caught.value.remedy


def test_a_module_that_holds_layers_is_completed_to_a_pattern() -> None:
    with pytest.raises(LimitsError) as caught:
        Limits(keep=("layer1",)).require_matches({"layer1.0.conv1"})
    assert "Did you mean 'layer1.*'?" in caught.value.remedy
