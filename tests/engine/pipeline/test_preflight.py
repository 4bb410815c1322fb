"""What is refused before anything long runs, and what limits have to do with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import emopms
from emopms.api import Folder
from emopms.engine.pipeline.preflight import Prepared, prepare, require_reachable_targets
from emopms.engine.support.progress import Silent
from emopms.errors import SpecError
from emopms.network.runtime.device import Device
from tests.engine.conftest import tiny

if TYPE_CHECKING:
    from emopms import Spec


def prepared(spec: Spec) -> Prepared:
    return prepare(spec, folder=Folder(Path(), ""), device=Device("cpu"), progress=Silent())


def limited(**genome: Any) -> Prepared:
    return prepared(tiny(genome=genome))


def test_a_pattern_without_a_layer_has_a_place_and_a_proposal(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(
        "version: 1\nname: wrong\nbackbone: {name: small_resnet, widths: [8, 8, 16]}\ndata: digits\n"
        "genome:\n  keep:\n    - stage1.*\n    - stage2.0.conv\ntargets: [{macs: 0.5}]\n"
    )
    with pytest.raises(SpecError) as caught:
        prepared(emopms.load_spec(tmp_path / "spec.yaml"))
    (problem,) = caught.value.problems
    assert (problem.dotted, problem.line, problem.column) == ("genome.keep[1]", 8, 7)
    assert problem.message == "No layer that can be pruned matches 'stage2.0.conv'."
    assert problem.remedy == (
        "Did you mean 'stage2.0.conv1'? Available: stage1.0.conv1, stage2.0.conv1, stage3.0.conv1."
    )


@pytest.mark.parametrize("genome", [{"keep": ["*"]}, {"min_channels": 16}, {"max_ratio": 0.01}])
def test_limits_that_leave_nothing_are_refused(genome: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as caught:
        prepared(tiny(genome=genome, split=[]))
    (problem,) = caught.value.problems
    assert problem.dotted == "genome"
    assert "has no channel that could be pruned" in problem.message
    assert "Loosen the limits" in problem.remedy


def test_a_split_off_part_without_anything_to_prune_is_refused_at_its_split_point() -> None:
    with pytest.raises(SpecError) as caught:
        limited(keep=["stage1.*"])
    (problem,) = caught.value.problems
    assert problem.dotted == "split.points[0]"
    assert "matches it" in problem.message
    assert "Move or remove this split point" in problem.remedy
    assert "Loosen the limits" in problem.remedy


def test_splits_that_find_their_points_heed_the_limits() -> None:
    spec = tiny(genome={"keep": ["stage2.*"]}, split="blocks")
    assert prepared(spec).context.split_points == ["stage1"]


@pytest.mark.slow
def test_the_smallest_network_obeys_limits() -> None:
    free, some = limited(), limited(min_channels=3, max_ratio=0.5)
    assert free.floor == free.floor_without_limits == some.floor_without_limits
    assert some.floor["macs"] > free.floor["macs"]
    widths = limited(min_channels=3, max_ratio=0.5, coding="widths", channel_multiple=4)
    assert widths.floor["macs"] == some.floor["macs"], "half of 8 and of 16 channels are multiples of 4"
    assert [part.log10_space for part in some.parts] < [part.log10_space for part in free.parts]


def test_a_target_that_limits_put_out_of_reach_says_so() -> None:
    spec = tiny(genome={"max_ratio": 0.5, "min_channels": 2}, targets=[{"macs": 0.5}, {"macs": 0.01}])
    found = prepared(spec)
    with pytest.raises(SpecError) as caught:
        require_reachable_targets(spec, found.dense, found.floor, found.floor_without_limits)
    by_limits, never = caught.value.problems
    assert (by_limits.dotted, never.dotted) == ("targets[0].macs", "targets[1].macs")
    assert by_limits.message == (
        f"cannot be met: with `min_channels`, `max_ratio` under `genome`, {found.floor['macs']:.5f} of the macs remain."
    )
    assert f"without them, {found.floor_without_limits['macs']:.5f} remain" in by_limits.remedy
    assert "whatever is pruned" in never.message
