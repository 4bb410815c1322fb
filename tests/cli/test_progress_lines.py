"""The progress of a run as text."""

from __future__ import annotations

from datetime import datetime

import pytest

from emopms.cli.progress_lines import describe, ended_event
from emopms.engine.support.run_progress import EndedStage, RunProgress
from tests.clock import Clock

STAGES = ("pretrain", "evolve/1", "evolve/2", "rank", "finetune/macs-0.5")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_whole_run_in_one_line(clock: Clock) -> None:
    progress = RunProgress(clock)
    assert describe(progress) == "preparing · 0 s so far"
    progress.stage("first", cached=False)
    assert describe(progress) == "stage 1 · 0 s so far", "how many there are is not known"
    progress = RunProgress(clock)
    progress.begin(dict.fromkeys(STAGES))
    progress.stage("pretrain", cached=False)
    clock.now = 20.0
    assert describe(progress) == "stage 1 of 5 · 20 s so far", "nothing is known yet"
    progress.stage("pretrain", cached=False, seconds=40.0)
    for name in STAGES[1:3]:
        progress.stage(name, cached=False)
        progress.stage(name, cached=False, seconds=10.0)
    progress.stage("rank", cached=False)
    assert describe(progress) == "stage 4 of 5 · 20 s so far · about 40 s left", "twice the mean of 40, 10 and 10 s"
    progress.stage("rank", cached=False, seconds=20.0)
    progress.stage(STAGES[-1], cached=False)
    clock.now += 1000.0
    assert describe(progress) == "stage 5 of 5 · 17 min so far · almost done"
    progress.stage(STAGES[-1], cached=False, seconds=1000.0)
    assert describe(progress) == "stage 5 of 5 · 17 min so far"


@pytest.mark.parametrize(
    ("hours", "end"),
    [
        (0.1, "about 6 min left"),
        (2, "about 2 h 0 min left, until 12:30"),
        (14, "about 14 h 0 min left, until 00:30 tomorrow"),
        (48, "about 48 h 0 min left, until 10:30 in 2 days"),
    ],
)
def test_a_long_run_says_when_it_ends(clock: Clock, hours: float, end: str) -> None:
    clock.now = datetime(2024, 5, 6, 10, 30).timestamp()
    progress = RunProgress(clock)
    progress.begin({"pretrain": 3600 * hours})
    assert describe(progress) == f"preparing · 0 s so far · {end}"


def test_stages_of_a_comparison_are_counted_on(clock: Clock) -> None:
    progress = RunProgress(clock)
    for name in ("pretrain", "export", "pretrain"):
        progress.stage(name, cached=False)
        progress.stage(name, cached=False, seconds=1.0)
    progress.stage("export", cached=False)
    assert describe(progress) == "stage 4 · 0 s so far"


def test_complete_stages() -> None:
    assert ended_event(EndedStage("rank\x1b", 1.26, cached=False)) == "rank\\x1b: 1.3 s"
    assert ended_event(EndedStage("rank", 1.26, cached=True)) == "rank: cached"
