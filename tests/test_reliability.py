"""What docs/reliability.md promises, on real runs: killed, interrupted, damaged, out of room."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch
import yaml

import emopms
from benchmarks.reliability.faults import DAMAGES, damage_files, interrupted
from benchmarks.reliability.full_disk import fill_at_every_evaluation, fill_at_every_write
from benchmarks.reliability.growth import growth
from benchmarks.reliability.killing import kill_runs
from benchmarks.reliability.subject import finish, outcome, stage_of, start
from tests.engine.conftest import TINY, tiny

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK: dict[str, Any] = {"export": ["safetensors"], "finetune": {"epochs": 2}}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """What runs in this process computes as the processes that it starts do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def not_deaf() -> Iterator[None]:
    """Shells let what runs in the background ignore SIGINT, and so would the processes that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def undisturbed(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the quick spec."""
    return emopms.run(tiny(**QUICK), run_dir=tmp_path_factory.mktemp("undisturbed") / "run", device="cpu").folder


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(TINY | QUICK))
    return path


@pytest.mark.slow
def test_killed_runs_end_as_if_nothing_had_happened(tmp_path: Path, spec: Path) -> None:
    found = kill_runs(tmp_path, 3, seed=5, jobs=1, spec=spec)
    assert found["different"] == []
    assert found["same"] == 3
    assert found["kills"] == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "last", "line"),
    [
        (signal.SIGINT, 130, "interrupted; run the same command again to continue", "evolve/2: 2/4"),
        (signal.SIGTERM, 143, "terminated; run the same command again to continue", "evolve/1: 1/4"),
        (signal.SIGHUP, 129, "terminated; run the same command again to continue", "pretrain: 48/128"),
    ],
)
def test_a_run_that_is_told_to_end_does_so_within_seconds(
    tmp_path: Path, spec: Path, undisturbed: Path, number: signal.Signals, code: int, last: str, line: str
) -> None:
    process = start(tmp_path / "run", spec)
    assert process.stderr is not None
    while not process.stderr.readline().startswith(line):
        assert process.poll() is None
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate()
    assert time.monotonic() - began < 10
    assert process.returncode == code
    assert said.splitlines()[-1] == last
    assert "Traceback" not in said
    stage = stage_of(tmp_path / "run")
    ended = finish(tmp_path / "run", spec)
    assert ended.code == 0
    assert f"{stage}: was begun earlier, and goes on from there" in ended.said
    assert outcome(tmp_path / "run") == outcome(undisturbed)


STUBBORN = """\
import time
from typing import Literal
import numpy as np
from emopms.api import Objective

class Stubborn(Objective):
    name: Literal["stubborn"] = "stubborn"
    def evaluate(self, genomes, task):
        found = {}
        try:
            exec("time.sleep(0.3); values = genomes.sum(axis=1)", {"time": time, "genomes": genomes}, found)
            return found["values"]
        except BaseException:
            return np.full(len(genomes), np.nan)
"""


@pytest.mark.slow
def test_an_objective_that_swallows_the_signal_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    spec = tmp_path / "spec.yaml"
    objectives = {"plugins": ["stubborn.py"], "objectives": ["stubborn", "macs"], "split": []}
    spec.write_text(yaml.safe_dump(TINY | QUICK | objectives))
    process = start(tmp_path / "run", spec)
    assert process.stderr is not None
    while not process.stderr.readline().startswith("evolve/1: 1/4"):
        assert process.poll() is None
    process.terminate()
    _, said = process.communicate()
    assert (process.returncode, said.splitlines()[-1]) == (143, "terminated; run the same command again to continue")
    ended = finish(tmp_path / "run", spec)
    assert (ended.code, "failed" in ended.said) == (0, False)
    emopms.run(spec, run_dir=tmp_path / "alone", device="cpu")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "alone")


@pytest.mark.slow
def test_no_damaged_file_of_a_finished_run_does_harm_or_goes_unsaid(tmp_path: Path, undisturbed: Path) -> None:
    cases = damage_files(tiny(**QUICK), undisturbed, tmp_path / "work", damages=lambda file: [DAMAGES[file % 4]])
    assert [case for case in cases if case.verdict not in ("made again", "written anew")] == []
    assert {case.damage for case in cases if case.verdict == "made again"} == set(DAMAGES)
    assert len(cases) > 30


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "steps"),
    [("pretrain", 2), ("evolve/2", 3), ("rank", 1), ("refine", 1), ("measure", 1), ("finetune/macs-0.6", 1)],
)
def test_no_damaged_file_of_unfinished_work_does_harm_or_goes_unsaid(tmp_path: Path, stage: str, steps: int) -> None:
    run = interrupted(tiny(**QUICK), tmp_path / "run", stage=stage, steps=steps)
    entries = {path.relative_to(run).as_posix() for path in run.glob("store/*/*/scratch/*/*")}
    assert entries
    cases = damage_files(tiny(**QUICK), run, tmp_path / "work", damages=lambda _: ["flipped"], only=entries)
    assert [case.verdict for case in cases] == ["made again"] * len(entries)
    assert all(case.file in case.said for case in cases)


@pytest.mark.slow
def test_a_full_disk_is_named_whenever_it_is_met_and_nothing_is_lost(tmp_path: Path) -> None:
    found = fill_at_every_write(tiny(**QUICK), tmp_path, every=7)
    assert found["other"] == []
    assert found["failed"] == found["named_error"] > 10
    assert found["same"]


@pytest.mark.slow
def test_a_full_disk_that_an_objective_meets_is_never_taken_for_a_candidate_that_fails(tmp_path: Path) -> None:
    found = fill_at_every_evaluation(tiny(**QUICK), tmp_path, every=3)
    assert found["other"] == []
    assert found["failed"] == found["named_error"] > 3
    assert found["same"]


@pytest.mark.slow
def test_a_long_search_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    assert growth(tmp_path, early=50, late=250, population=12)["growth"] < 0.05
