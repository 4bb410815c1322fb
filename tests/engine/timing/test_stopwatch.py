"""The stopwatch on a simulated clock: what it extrapolates, what it compares, and where it stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emopms.engine.timing import stopwatch
from emopms.engine.timing.stopwatch import Stopwatch, TimingEffort
from emopms.network.runtime.device import Device

if TYPE_CHECKING:
    from collections.abc import Callable


class World:
    """A clock and a memory that move with the work alone: 2 ms a call and some a unit, 1 kB a unit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, unit: float) -> None:
        self.now, self.memory, self.unit, self.sizes = 0.0, 10**6, unit, list[int]()
        monkeypatch.setattr(stopwatch, "perf_counter", lambda: self.now)
        monkeypatch.setattr(Stopwatch, "_memory", lambda _: self.memory)

    def prepare(self, size: int) -> Callable[[], object]:
        self.sizes.append(size)
        return lambda: self._work(size)

    def _work(self, size: int) -> None:
        self.now += 0.002 + self.unit * size
        self.memory = max(self.memory, 10**6 + 1000 * size)


@pytest.mark.parametrize(("unit", "largest"), [(1e-6, 1000), (1e-3, 128), (1e-1, 32)])
@pytest.mark.parametrize("size", [1, 8, 100, 1000])
def test_long_work_is_tried_at_smaller_sizes(
    monkeypatch: pytest.MonkeyPatch, unit: float, largest: int, size: int
) -> None:
    world = World(monkeypatch, unit=unit)
    watch = Stopwatch(Device("cpu"))
    assert watch.seconds(world.prepare, size) == pytest.approx(0.002 + unit * size)
    assert watch.peak == pytest.approx(10**6 + 1000 * size)
    assert max(world.sizes) == min(size, largest)


def test_the_fastest_repetition_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, unit=0.0)
    delays = iter([5.0, 0.3, 0.0, 0.2])
    watch = Stopwatch(Device("cpu"), TimingEffort(max_seconds=100.0))

    def prepare(size: int) -> Callable[[], object]:
        def work() -> None:
            world.now += 0.02 + next(delays, 0.0)

        return work

    assert watch.seconds(prepare, 4) == pytest.approx(0.02)


def test_work_that_takes_too_long_is_done_once_at_the_first_size_and_once_at_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, unit=10.0)
    assert Stopwatch(Device("cpu")).seconds(world.prepare, 1000) == pytest.approx(0.002 + 10.0 * 1000)
    assert world.sizes == [8, 8, 32]


@pytest.mark.parametrize(
    ("effort", "sizes", "calls"),
    [
        (TimingEffort(first_size=10, growth=10, min_seconds=0.0, min_repetitions=2), [10, 10, 100], 1 + 2 + 2),
        (TimingEffort(first_size=100, min_seconds=0.0, min_repetitions=1), [100, 100, 400], 1 + 1 + 1),
        (TimingEffort(first_size=1000), [1000, 1000], 1 + 25),
    ],
)
def test_the_effort_says_how_much_is_tried(
    monkeypatch: pytest.MonkeyPatch, effort: TimingEffort, sizes: list[int], calls: int
) -> None:
    world = World(monkeypatch, unit=0.0)
    assert Stopwatch(Device("cpu"), effort).seconds(world.prepare, 1000) == pytest.approx(0.002)
    assert world.sizes == sizes
    assert world.now == pytest.approx(0.002 * calls)


def test_work_without_a_size_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, unit=0.001)
    watch = Stopwatch(Device("cpu"))
    assert watch.once(world.prepare(500)) == pytest.approx(0.502)
    assert watch.peak == 10**6 + 1000 * 500


def _slow_in_one_round(world: World, name: str, seconds: float, called: list[str]) -> Callable[[], object]:
    def work() -> None:
        called.append(name)
        world.now += seconds + (10.0 if 2 < len(called) <= 4 else 0.0)  # the machine is slow in the second round

    return work


def test_functions_run_in_turns_and_the_median_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    world, called = World(monkeypatch, unit=0.0), list[str]()
    works = [_slow_in_one_round(world, name, seconds, called) for name, seconds in (("dense", 0.4), ("pruned", 0.1))]
    watch = Stopwatch(Device("cpu"), TimingEffort(min_repetitions=5, min_seconds=0.0, max_seconds=100.0))
    assert watch.by_turns(works) == pytest.approx([0.4, 0.1])
    assert called == ["dense", "pruned"] * 6, "a first round that does not count, and five that do"


def test_turns_end_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    world, called = World(monkeypatch, unit=0.0), list[str]()
    works = [_slow_in_one_round(world, name, 1.0, called) for name in ("dense", "pruned")]
    watch = Stopwatch(Device("cpu"), TimingEffort(min_repetitions=5, max_seconds=1.0))
    assert watch.by_turns(works) == pytest.approx([11.0, 11.0])
    assert len(called) == 4
