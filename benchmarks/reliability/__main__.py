"""Measures the figures of docs/reliability.md and writes them to ``benchmarks/reliability.json``.

    python -m benchmarks.reliability {kill,finished,unfinished,full_disk,growth}

``kill`` kills real runs at random moments, resumes them and compares the results with those of an undisturbed run.
``finished`` damages every file of a finished run, ``unfinished`` every journal entry of interrupted ones. ``full_disk``
simulates a full disk at every write and at every evaluation of an objective. ``growth`` measures the memory of a long
search.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from loguru import logger

import emopms
from benchmarks.machine import machine
from benchmarks.reliability.faults import Case, damage_files, interrupted, tally
from benchmarks.reliability.full_disk import fill_at_every_evaluation, fill_at_every_write
from benchmarks.reliability.growth import growth
from benchmarks.reliability.killing import kill_runs
from benchmarks.reliability.subject import SPEC

if TYPE_CHECKING:
    from collections.abc import Callable

FIGURES = Path(__file__).resolve().parent.parent / "reliability.json"

_UNFINISHED = (
    *(("pretrain", 6), ("constrain", 2), ("evolve/2", 8), ("rank", 1), ("refine", 2), ("measure", 1)),
    ("finetune/macs-0.5", 2),
)
"""Stages, and the number of steps after which a run is interrupted to damage its journals."""


def _finished(folder: Path) -> dict[str, Any]:
    spec = emopms.load_spec(SPEC)
    emopms.run(spec, run_dir=folder / "finished", device="cpu")
    return _damaged(damage_files(spec, folder / "finished", folder / "damaged"))


def _unfinished(folder: Path) -> dict[str, Any]:
    spec = emopms.load_spec(SPEC)
    cases = []
    for stage, steps in _UNFINISHED:
        run = interrupted(spec, folder / stage.replace("/", "-"), stage=stage, steps=steps)
        entries = {path.relative_to(run).as_posix() for path in run.glob("store/*/*/scratch/*/*")}
        cases += damage_files(spec, run, folder / f"damaged-{stage.replace('/', '-')}", only=entries)
    return _damaged(cases)


def _damaged(cases: list[Case]) -> dict[str, Any]:
    bad = [asdict(case) for case in cases if case.verdict not in ("made again", "written anew")]
    return {"files": len({case.file for case in cases}), "verdicts": tally(cases), "others": bad}


def _full_disk(folder: Path) -> dict[str, Any]:
    spec = emopms.load_spec(SPEC)
    return {
        "writes": fill_at_every_write(spec, folder / "writes"),
        "evaluations": fill_at_every_evaluation(spec, folder / "evaluations"),
    }


_MEASUREMENTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "finished": _finished,
    "unfinished": _unfinished,
    "full_disk": _full_disk,
    "growth": growth,
}


def main() -> None:
    """Measure, and write the figures to the file. Figures of the other commands stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    kill = commands.add_parser("kill")
    kill.add_argument("--points", type=int, default=60)
    kill.add_argument("--seed", type=int, default=0)
    kill.add_argument("--jobs", type=int, default=2, help="number of parallel runs")
    for name in _MEASUREMENTS:
        commands.add_parser(name)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logger.remove()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.command == "kill":
            found = kill_runs(Path(folder), arguments.points, seed=arguments.seed, jobs=arguments.jobs)
        else:
            found = _MEASUREMENTS[arguments.command](Path(folder))
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    name = f"kill_{arguments.points}" if arguments.command == "kill" else arguments.command
    FIGURES.write_text(json.dumps({**figures, name: {**found, "machine": machine()}}, indent=1) + "\n")
    print(json.dumps(found, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
