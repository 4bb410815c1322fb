"""Sends the figures of a run to the trackers of its spec. A tracker that fails is left out, and the run goes on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from loguru import logger

from emopms.api import TrackedResult, TrackedRun
from emopms.engine.pipeline.provenance import provenance
from emopms.engine.support.component_calls import guarded_call
from emopms.errors import EmopmsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from emopms.api import Tracker, Tracking
    from emopms.engine.pipeline.runner import Done
    from emopms.engine.results.joint_front import JointFront
    from emopms.engine.storage.artefact import Artefact
    from emopms.network.runtime.device import Device
    from emopms.spec import Spec


@contextmanager
def tracked(spec: Spec, folder: Path, device: Device) -> Iterator[Trackers]:
    """Begin the trackers of a spec, and close them after the ``with`` statement, also if the run ends early.

    Args:
        spec: The spec.
        folder: The run directory.
        device: The device of the run.
    """
    trackers = Trackers(spec.trackers, TrackedRun(spec.name, folder, spec.resolved(), provenance(device)))
    try:
        yield trackers
    finally:
        trackers.close()


class Trackers:
    """The trackers of a run.

    Args:
        trackers: The trackers.
        run: The run.
    """

    def __init__(self, trackers: Sequence[Tracker], run: TrackedRun) -> None:
        self._following: list[tuple[Tracker, Tracking]] = []
        for tracker in trackers:
            with _left_out_if_it_fails(tracker, "begin"):
                self._following.append((tracker, tracker.begin(run)))

    def stage(self, done: Done) -> None:
        """Send the figures of a complete stage."""
        if not self._following:
            return
        figures = {f"{done.name}/{name}": value for name, value in _figures_of(done.artefact).items()}

        def send(tracking: Tracking) -> None:
            for step, of_step in _course(done):
                tracking.log(of_step, step=step)
            tracking.log(figures | {f"{done.name}/seconds": done.seconds})

        self._each("receive figures", send)

    def finish(self, summary: Mapping[str, Any], front: JointFront, files: Sequence[Path]) -> None:
        """Send the results of the finished run.

        Args:
            summary: The content of ``result.json``.
            front: The front.
            files: The published files.
        """
        result = TrackedResult(figures_in_result(summary), front.records(), files)
        self._each("receive the results", lambda tracking: tracking.finish(result))

    def close(self) -> None:
        """Close all trackers."""
        self._each("close", lambda tracking: tracking.close())

    def _each(self, action: str, call: Callable[[Tracking], object]) -> None:
        following, self._following = self._following, []
        for tracker, tracking in following:
            with _left_out_if_it_fails(tracker, action):
                call(tracking)
                self._following.append((tracker, tracking))


@contextmanager
def _left_out_if_it_fails(tracker: Tracker, action: str) -> Iterator[None]:
    try:
        with guarded_call(tracker, action):
            yield
    except EmopmsError as error:
        logger.warning("{} It is left out from now on; the run goes on.", error.message)


def _course(done: Done) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the figures of a stage that have a course, with the number of candidates evaluated up to each."""
    if "search.json" in done.artefact.files:
        for evaluations, hypervolume in done.artefact.json("search").get("history", []):
            yield int(evaluations), {f"{done.name}/hypervolume": float(hypervolume)}


def _figures_of(artefact: Artefact) -> dict[str, float]:
    """Return all figures that a stage stored as JSON, by their names."""
    found: dict[str, float] = {}
    for file in artefact.files:
        if file.endswith(".json") and "/" not in file:
            found |= _flat(artefact.json(file.removesuffix(".json")))
    return found


def figures_in_result(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of ``result.json`` by path, such as ``dense/accuracy`` and ``models/macs-0.5/accuracy``.

    Args:
        summary: The content of ``result.json``.
    """
    models = {model["target"]: model for model in summary["models"]}
    return _flat({name: summary[name] for name in ("dense", "search", "rank")} | {"models": models})


def _flat(values: Mapping[str, Any], path: str = "") -> dict[str, float]:
    """Return the numbers in nested mappings by path. Lists and texts are left out."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{path}{name}/")
        elif isinstance(value, int | float):
            found[f"{path}{name}"] = float(value)
    return found
