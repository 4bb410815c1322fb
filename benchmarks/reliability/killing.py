"""Kills runs at random moments, resumes them and compares the results with those of an undisturbed run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.reliability.subject import SPEC, finish, outcome, stage_of, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


_START = 3.0
"""Approximate seconds until the first line of a run."""


@dataclass(frozen=True)
class Moment:
    """A moment of a run: a number of seconds after its n-th line of output."""

    line: int
    seconds: float


@dataclass(frozen=True)
class Killed:
    """One killed run, its stages at that time, and its result."""

    moments: tuple[Moment, ...]
    """When it was killed: once, or a second time after it was resumed."""
    stages: tuple[str, ...]
    """The stage that was running at each moment."""
    differs: tuple[str, ...]
    """Files that differ from those of an undisturbed run."""


def kill_runs(
    folder: Path, points: int, *, seed: int, jobs: int, spec: Path = SPEC, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Kill runs with SIGKILL at random moments, resume them, and compare them with an undisturbed run.

    The moments are spread evenly over the lines of output of a run. Every third run is killed a second time after it
    was resumed. A run prints one line per epoch, generation and stage. Their speed depends on the load of the machine,
    so a moment is a number of lines plus a random fraction of the time of a line.

    Args:
        folder: Folder for the run directories.
        points: Number of runs to kill.
        seed: Seed of the random moments.
        jobs: Number of parallel runs.
        spec: The spec to run.
        say: Function that prints a line per run.

    Returns:
        Counts, and the runs that differ, as JSON.
    """
    began = time.monotonic()
    alone = folder / "alone"
    ended = finish(alone, spec)
    if ended.code != 0:
        raise RuntimeError(f"the undisturbed run in {alone} failed")
    whole, expected, lines = time.monotonic() - began, outcome(alone), len(ended.said.splitlines())
    draw = random.Random(seed)

    def moment(share: float) -> Moment:
        line = int(share * lines)
        return Moment(line, draw.random() * (whole / lines if line else _START))

    moments = [
        [moment((point + draw.random()) / points), *([moment(draw.random() / 2)] if point % 3 == 2 else [])]
        for point in range(points)
    ]

    def one(point: int) -> Killed:
        found = _kill(folder / f"point-{point:04d}", moments[point], expected, spec)
        say(f"{point + 1}: killed in {' and '.join(found.stages)}: {'DIFFERS' if found.differs else 'the same'}")
        return found

    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(one, range(points)))
    same = sum(not each.differs for each in found)
    return {
        "points": points,
        "same": same,
        "kills": sum(len(each.stages) for each in found),
        "files_compared": len(expected),
        "seconds_of_a_run": round(whole, 1),
        "by_stage": dict(sorted(Counter(stage for each in found for stage in each.stages).items())),
        "different": [asdict(each) for each in found if each.differs],
    }


def _kill(folder: Path, moments: list[Moment], expected: dict[str, str], spec: Path) -> Killed:
    stages = []
    for moment in moments:
        process = start(folder, spec)
        assert process.stderr is not None
        for _ in range(moment.line):
            process.stderr.readline()
        time.sleep(moment.seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        stages.append("end" if process.returncode == 0 else stage_of(folder))
    ended = finish(folder, spec)
    if ended.code != 0:
        return Killed(tuple(moments), tuple(stages), (f"exit {ended.code}: {ended.said[-500:]}",))
    found = outcome(folder)
    differs = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if not differs:
        shutil.rmtree(folder)  # a run that differs is kept for inspection
    return Killed(tuple(moments), tuple(stages), tuple(differs))
