"""The state of a run's progress, and its estimate of the remaining time."""

from __future__ import annotations

import json

import pytest

from emopms.engine.support.run_progress import EndedStage, RunProgress, Work
from tests.clock import Clock


def test_the_work_of_a_stage() -> None:
    progress = RunProgress()
    with progress.track("evolve/1", 4, "generations") as steps:
        steps.advance("loss 1")
        steps.advance(steps=2)
        assert progress.work == Work("evolve/1", 4, "generations", 3, "loss 1"), "the last note stays"
        assert progress.work.share == 0.75
    assert progress.work is None
    with pytest.raises(ZeroDivisionError), progress.track("rank", 4, "measurements"):
        _ = 1 / 0
    assert progress.work is None
    assert Work("rank", 0, "measurements").share == 1.0


def test_a_stage_is_estimated_from_its_own_speed_and_from_stages_alike() -> None:
    clock = Clock()
    progress = RunProgress(clock)
    progress.begin({"rank": None, "finetune/a": None, "finetune/b": None})
    progress.stage("rank", cached=True, seconds=7.0)
    progress.stage("finetune/a", cached=False)
    clock.now = 15.0
    assert progress.left() is None, "a stage of another kind says nothing, unless there are several"
    with progress.track("finetune/a", 100, "steps") as steps:
        steps.advance(steps=9)
        assert progress.left() is None, "the first steps may be slow"
        steps.advance(steps=66)
        assert progress.left() == pytest.approx(5 + 20)
    progress.stage("finetune/a", cached=False, seconds=20.0)
    assert progress.left() == pytest.approx(20)
    assert not progress.is_complete()
    progress.stage("finetune/b", cached=False, seconds=20.0)
    assert progress.is_complete()
    assert progress.left() == 0


def test_seconds_of_an_earlier_run() -> None:
    progress = RunProgress(Clock())
    progress.begin({"pretrain": 10.0, "evolve/1": 3.0, "evolve/2": None})
    progress.stage("pretrain", cached=False)
    assert progress.left() == pytest.approx(10 + 3 + 3)
    progress.stage("pretrain", cached=False, seconds=10.0)
    assert progress.left() == pytest.approx(6)


def test_the_state_is_the_same_after_json() -> None:
    progress = RunProgress()
    progress.begin({"pretrain": 2.0, "rank": 4.0, "finetune/a": None})
    progress.stage("pretrain", cached=True, seconds=2.0)
    progress.stage("rank", cached=False)
    with progress.track("rank", 8, "measurements") as steps:
        steps.advance("loss 0.5", steps=2)
        read = RunProgress.from_json(json.loads(json.dumps(progress.as_json())))
        assert read.as_json() == progress.as_json()
        assert (read.began, read.total, read.running) == (progress.began, 3, "rank")
        assert (read.ended, read.work) == ([EndedStage("pretrain", 2.0, cached=True)], progress.work)
    assert RunProgress.from_json(RunProgress().as_json()).left() is None
