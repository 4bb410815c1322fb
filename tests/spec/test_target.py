from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import emopms
from emopms.errors import SpecError
from emopms.spec import AtMost, Target, load_spec

if TYPE_CHECKING:
    from pathlib import Path

SMALL: dict[str, Any] = {"version": 1, "name": "x", "backbone": {"name": "net", "depth": 8}, "data": "blobs"}
DENSE = {"macs": 1000.0, "params": 100.0, "latency": 8.0}


def test_limits_are_shares_of_the_dense_costs_or_costs() -> None:
    target = Target(macs=0.5, params=AtMost(at_most=30), latency=AtMost(at_most=5))
    assert target.limits(DENSE) == {"macs": 500.0, "params": 30.0, "latency": 5.0}
    assert target.counted_shares(DENSE) == {"macs": 0.5, "params": 0.3}
    assert Target(latency=0.25).limits(DENSE) == {"latency": 2.0}
    assert Target(accuracy_drop=0.1).limits(DENSE) == {}


def test_networks_within_all_bounds() -> None:
    costs = {"macs": np.array([10.0, 50.0, 60.0, 100.0]), "latency": np.array([6.0, 3.0, 2.0, 8.0])}
    assert Target(macs=0.5, latency=AtMost(at_most=5)).within(costs, dense=3).tolist() == [False, True, False, False]
    assert Target(latency=0.25).within(costs, dense=3).tolist() == [False, False, True, False]


def test_slugs_are_distinct_folder_names() -> None:
    targets = (
        Target(macs=0.5),
        Target(macs=AtMost(at_most=0.5)),
        Target(params=0.5),
        Target(latency=0.5),
        Target(macs=0.5, latency=AtMost(at_most=5)),
        Target(macs=0.5, accuracy_drop=0.5),
    )
    slugs = [target.slug for target in targets]
    assert len(set(slugs)) == len(slugs)
    assert slugs[0] == "macs-0.5"
    assert slugs[4] == "macs-0.5_latency-at-most-5"


@given(st.floats(1e-6, 1), st.floats(1e-6, 1e9))
def test_a_target_comes_back_from_the_spec(share: float, cost: float) -> None:
    target = {"macs": share, "params": {"at_most": cost}}
    spec = emopms.Spec(**SMALL, targets=[target])
    assert spec.resolved()["targets"] == [target]
    assert emopms.Spec(**SMALL, targets=spec.resolved()["targets"]) == spec


def test_a_cost_among_the_objectives_can_be_bounded() -> None:
    spec = emopms.Spec(**SMALL, objectives=["capability", "macs"], targets=[{"params": 0.5}, {"macs": 0.5}])
    assert [target.slug for target in spec.targets] == ["params-0.5", "macs-0.5"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("{mac: 0.5}", r"targets\[0\].mac: 'mac' is no cost among .*\n.*Did you mean 'macs'\?"),
        ("{capability: 0.5}", "is no cost among the objectives"),
        ("{macs: 5.0}", r"expected at most 1, got the number 5.0.\n.*`\{at_most: NUMBER\}`"),
        ("{macs: {at_most: 0}}", r"targets\[0\].macs.at_most: expected more than 0"),
        ("{macs: {at_least: 1}}", r"at_least: there is no such key"),
        ("{macs: half}", "expected a number, got the text 'half'"),
        ("{macs: true}", "expected a number"),
        ("{}", "the target has no bound"),
    ],
)
def test_wrong_targets_are_refused_with_their_line(target: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(
        f"version: 1\nname: x\nbackbone: {{name: net, depth: 8}}\ndata: blobs\ntargets: [{target}]\n"
    )
    with pytest.raises(SpecError, match=expected) as caught:
        load_spec(tmp_path / "spec.yaml")
    assert {problem.line for problem in caught.value.problems} == {5}
