"""Runs that are killed at a random moment and started again: do they end as if nothing had happened?"""

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
"""Seconds, about, that a run takes to its first line."""


@dataclass(frozen=True)
class Moment:
    """So many seconds after a run printed its n-th line."""

    line: int
    seconds: float


@dataclass(frozen=True)
class Killed:
    """One run: when and where it was killed, and what became of it."""

    moments: tuple[Moment, ...]
    """When it was killed: once, or once more when it had been started again."""
    stages: tuple[str, ...]
    """What it was at."""
    differs: tuple[str, ...]
    """Files that are not those of a run left alone; empty where all are."""


def kill_runs(
    folder: Path, points: int, *, seed: int, jobs: int, spec: Path = SPEC, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Kill runs with SIGKILL at random moments, spread evenly over the lines that a run prints, and every third of them
    once more after it was started again; resume all, and compare them with a run that was left alone.

    A run prints a line for each epoch, generation and stage. How fast it does depends on what else the machine does;
    so moments are counted in lines, and a random part of the time that a line takes.

    Returns:
        Counts, and what differed, as JSON.
    """
    began = time.monotonic()
    alone = folder / "alone"
    ended = finish(alone, spec)
    if ended.code != 0:
        raise RuntimeError(f"the run in {alone} failed when nothing was killed")
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
        shutil.rmtree(folder)  # of those that differ everything stays, to be looked at
    return Killed(tuple(moments), tuple(stages), tuple(differs))
