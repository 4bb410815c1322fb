"""Damages files of a run and checks that the next run repairs or reports it."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from loguru import logger

import emopms
from benchmarks.reliability.subject import outcome
from emopms.engine.support.progress import Silent
from emopms.errors import EmopmsError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable
    from pathlib import Path

Damage = Literal["truncated", "flipped", "deleted", "replaced"]
DAMAGES: tuple[Damage, ...] = get_args(Damage)

Verdict = Literal["made again", "written anew", "named error", "silent", "wrong"]
"""The outcome of a run with a damaged file.

``made again``: the result is correct, and a log line names what was repeated. ``written anew``: the result is correct,
and every run writes this file. ``named error``: an error names the file. ``silent``: the result is correct, but nothing
was reported. ``wrong``: the result differs.
"""

WRITTEN_ANEW = (
    "models/",
    "front.csv",
    "front.npz",
    "report.html",
    "result.json",
    "manifest.json",
    "spec.resolved.yaml",
    "run.log",
)
"""Files of a run directory that every run writes."""
ABOUT_THE_RUN = tuple(
    f"store/{name}" for name in ("plan.json", "published.json", "emopms.json", "progress.json", "holder.json", "lock")
)
"""Files of the store that every run writes."""


@dataclass(frozen=True)
class Case:
    """The outcome for one damaged file."""

    file: str
    damage: Damage
    verdict: Verdict
    said: str


def damage_files(
    spec: emopms.Spec,
    finished: Path,
    folder: Path,
    *,
    damages: Callable[[int], Iterable[Damage]] = lambda _: DAMAGES,
    only: Container[str] | None = None,
) -> list[Case]:
    """Damage every file of a run directory, one at a time in a new copy, and run the spec again.

    Args:
        spec: The spec of the run.
        finished: The run directory. The run may be complete or interrupted.
        folder: Folder for temporary copies.
        damages: Function that returns the kinds of damage for the n-th file.
        only: The files to damage; None for all.
    """
    complete = folder / "complete"
    shutil.copytree(finished, complete)
    _run(spec, complete)
    expected = outcome(complete)
    cases = []
    found = sorted(path.relative_to(finished) for path in finished.rglob("*") if path.is_file())
    files = [file for file in found if only is None or file.as_posix() in only]
    for index, file in enumerate(files):
        for how in damages(index):
            copy = folder / "copy"
            shutil.copytree(finished, copy)
            damage(copy / file, how)
            before = _complete_stages(copy)
            said, error = _run(spec, copy)
            name = file.as_posix()
            verdict = _verdict(name, how, said, error, same=not error and outcome(copy) == expected)
            lost = [stage for stage in before if stage not in _complete_stages(copy) and stage not in name]
            if lost:
                verdict = "wrong"
            cases.append(Case(name, how, verdict, "; ".join(filter(None, [*said, error]))))
            shutil.rmtree(copy)
    return cases


def damage(path: Path, how: Damage) -> None:
    """Damage a file."""
    content = path.read_bytes()
    middle = len(content) // 2
    path.unlink()
    if how == "truncated":
        path.write_bytes(content[:middle])
    elif how == "flipped":
        path.write_bytes(content[:middle] + bytes(b ^ 1 for b in content[middle : middle + 1]) + content[middle + 1 :])
    elif how == "replaced":
        others = [p for p in path.parent.parent.rglob(f"*{path.suffix}") if p != path and p.is_file()]
        path.write_bytes(next((p.read_bytes() for p in others if p.read_bytes() != content), b"something else"))


def tally(cases: Iterable[Case]) -> dict[str, dict[str, int]]:
    """Count the verdicts by kind of damage."""
    found: dict[str, Counter[str]] = {}
    for case in cases:
        found.setdefault(case.damage, Counter())[case.verdict] += 1
    return {damage: dict(sorted(counts.items())) for damage, counts in sorted(found.items())}


def _verdict(name: str, how: Damage, said: list[str], error: str, *, same: bool) -> Verdict:
    if error:
        return "named error" if name in error else "wrong"
    if not same:
        return "wrong"
    if name.startswith((*WRITTEN_ANEW, *ABOUT_THE_RUN)):
        return "written anew"
    stage = name.split("/")[1].replace("-", "/", 1)
    told = any(name in line or line.startswith((f"{stage}:", f"{name.split('/')[1]}:")) for line in said)
    return "made again" if told else "silent"


def _complete_stages(folder: Path) -> list[str]:
    return [path.parent.parent.name for path in sorted(folder.glob("store/*/*/meta.json"))]


def _run(spec: emopms.Spec, folder: Path) -> tuple[list[str], str]:
    """Run the spec. Return its log lines about damage, and its error message if it fails."""
    said: list[str] = []
    sink = logger.add(
        lambda line: said.append(str(line).strip()),
        level="INFO",
        format="{message}",
        filter=lambda record: "damaged" in record["message"] or "begun earlier" in record["message"],
    )
    try:
        emopms.run(spec, run_dir=folder, device="cpu", progress=Silent())
    except EmopmsError as error:
        return said, error.message
    finally:
        logger.remove(sink)
    return said, ""


class Stop(Silent):
    """Progress that interrupts a run after a number of steps or, in a training, epochs of a stage, as Ctrl-C does."""

    def __init__(self, stage: str, steps: int) -> None:
        self._stage, self._steps, self._label, self._unit = stage, steps, "", ""

    def track(self, label: str, total: int, unit: str) -> Any:
        self._label, self._unit = label, unit
        return super().track(label, total, unit)

    def advance(self, note: str | None = None, *, steps: int = 1) -> None:
        if self._label == self._stage and (note is not None or self._unit != "steps"):  # of a training, epochs count
            self._steps -= 1
            if not self._steps:
                raise KeyboardInterrupt


def interrupted(spec: emopms.Spec, folder: Path, *, stage: str, steps: int) -> Path:
    """Interrupt a run after a number of steps of a stage, and return its run directory."""
    try:
        emopms.run(spec, run_dir=folder, device="cpu", progress=Stop(stage, steps))
    except KeyboardInterrupt:
        return folder
    raise RuntimeError(f"the run ended before step {steps} of {stage}")
