"""A broken objective is found before anything is trained, with the line of the user's file."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pytest
from loguru import logger

import emopms
from emopms.api import Cost, Objective, Task
from emopms.engine.forecast.forecast import forecast
from emopms.engine.pipeline.objective_trial import try_objectives
from emopms.engine.timing.work_timer import WorkTimer
from emopms.errors import ComponentError, EmopmsError, SpecError
from tests.engine.conftest import tiny
from tests.engine.contexts import stage, tiny_context

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BROKEN = """\
from typing import Literal

from emopms.api import Cost


def layers(task):
    return {"first": 1}["last"]


class Memory(Cost):
    \"\"\"Bytes.\"\"\"

    name: Literal["memory"] = "memory"

    def evaluate(self, genomes, task):
        return layers(task) * genomes.sum(axis=1)
"""


def test_run_and_plan_name_the_line_and_train_nothing(tmp_path: Path) -> None:
    (tmp_path / "my_cost.py").write_text(BROKEN)
    spec = tiny(plugins=[str(tmp_path / "my_cost.py")], objectives=["capability", "memory"])
    for attempt in (emopms.run, forecast):
        with pytest.raises(ComponentError, match=r"failed to evaluate candidates: KeyError: 'last'") as caught:
            attempt(spec, run_dir=tmp_path / "run", device="cpu")
        assert caught.value.message.endswith(f"({tmp_path / 'my_cost.py'}:7)"), "the deepest line of the user's file"
        assert "nothing was trained" in caught.value.remedy
    assert not (tmp_path / "run" / "store" / "pretrain").exists()


class Lasting(Cost):
    name: Literal["lasting"] = "lasting"
    measured: ClassVar[bool] = True

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        TRIED.append(task.subnetwork.index)
        return np.ones(len(genomes))


class Returning(Cost):
    name: Literal["returning"] = "returning"
    value: float = 0.0
    shape: tuple[int, ...] = ()

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        return np.full(self.shape or len(genomes), 1 / self.value if self.value else np.nan)


class NeedsMany(Objective):
    name: Literal["needs_many"] = "needs_many"
    images: int

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        if len(task.labels) < self.images:
            raise ValueError("too few images")
        return np.full(len(genomes), np.nan)


TRIED: list[int] = []


def _try(*objectives: Objective | str, name: str = "evolve/1") -> None:
    context = tiny_context(objectives=objectives)
    try_objectives(WorkTimer(context), [stage(name, context)])


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (Returning(), "returned nan for the dense network"),
        (Returning(value=1.0, shape=(3, 2)), r"shape \(3, 2\)"),
        (Returning(value=1.0, shape=(1,)), r"shape \(1,\)"),
    ],
)
def test_wrong_values_of_costs(cost: Cost, said: str) -> None:
    with pytest.raises(EmopmsError, match=said):
        _try("capability", cost)
    _try("capability", cost, name="join")  # no search is left to run


def test_what_may_work_after_training_passes() -> None:
    """Values of a quality, and an objective that needs as many images as the search has."""
    _try(NeedsMany(images=128), "macs")
    with pytest.raises(ComponentError, match="too few images"):
        _try(NeedsMany(images=129), "macs")


def test_a_failure_of_the_machine_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_once(self: Lasting, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        monkeypatch.undo()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Lasting, "evaluate", fail_once)
    with pytest.raises(ComponentError, match="No space left") as caught:
        _try("capability", Lasting())
    assert "nothing was trained" not in caught.value.remedy


def test_measured_objectives_are_tried_once() -> None:
    TRIED.clear()
    _try("capability", Lasting())
    assert TRIED == [0]


class Kept(Cost):
    """Channels kept, and ten."""

    name: Literal["kept"] = "kept"

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        kept: NDArray[Any] = genomes.sum(axis=1) + 10.0
        return kept


class Negative(Kept):
    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        return -super().evaluate(genomes, task)


class Saved(Kept):
    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        return 1000.0 - super().evaluate(genomes, task)


class SavedOnAClock(Saved):
    measured: ClassVar[bool] = True


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (Negative(), "kept is no cost: its value is -"),
        (Saved(), r"kept is no cost: it rises from .* to .* for the smallest"),
    ],
)
@pytest.mark.parametrize("targets", [[{"macs": 0.5}], [{"kept": 0.5}]])
def test_a_cost_that_does_not_fall_is_refused(cost: Cost, said: str, targets: list[dict[str, Any]]) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        _bounded(cost, *targets)
    assert [problem.dotted for problem in caught.value.problems] == ["objectives[2]"]
    assert "sign" in str(caught.value)


def test_a_measured_cost_that_does_not_fall_is_only_doubted() -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    _bounded(SavedOnAClock(), {"macs": 0.5})
    assert not said, "it is not measured without a bound"
    _bounded(SavedOnAClock(), {"kept": 0.99})
    logger.remove(sink)
    line = said[0]
    assert line.startswith("objective kept: in a short trial, it rises from")


class KeptOnAClock(Kept):
    measured: ClassVar[bool] = True


def _bounded(cost: Cost, *targets: dict[str, Any]) -> None:
    context = tiny_context(objectives=["capability", "macs", cost], targets=list(targets))
    try_objectives(WorkTimer(context), [stage("evolve/1", context)])


def test_bounds_that_no_network_meets_are_refused_before_anything_is_trained() -> None:
    timer = WorkTimer(tiny_context())
    genes, channels = timer.divided.whole.channels.genes, len(timer.divided.whole.channels.groups)
    dense, least = genes + 10, channels + 10
    _bounded(Kept(), {"kept": {"at_most": least}}, {"kept": least / dense + 1e-9}, {"macs": 0.5})
    with pytest.raises(SpecError, match=rf"kept of the smallest network is {least}, {least / dense:.3f}") as caught:
        _bounded(Kept(), {"macs": 0.5}, {"kept": 0.2}, {"kept": {"at_most": least - 1.0}}, {"kept": 0.9})
    assert [problem.dotted for problem in caught.value.problems] == ["targets[1].kept", "targets[2].kept"]


def test_bounds_on_measured_costs_are_only_doubted() -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    _bounded(KeptOnAClock(), {"kept": 0.99}, {"kept": 0.1})
    logger.remove(sink)
    (line,) = said
    assert line.startswith("targets[1].kept: in a short trial, the kept of the smallest network is")
