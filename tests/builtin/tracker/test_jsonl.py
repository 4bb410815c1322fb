"""Lines of JSON that can be followed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from emopms.builtin.tracker.jsonl import Jsonl
from emopms.testing.tracker import FIGURES, made_up_result, made_up_run

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_are_written_at_once_and_added_by_a_continued_run(tmp_path: Path) -> None:
    run = made_up_run(tmp_path)
    file = run.folder / "figures.jsonl"

    def lines() -> list[dict[str, float]]:
        return [json.loads(line) for line in file.read_text().splitlines()]

    tracking = Jsonl().begin(run)
    tracking.log({"evolve/1/hypervolume": 0.5}, step=32)
    assert lines() == [{"step": 32, "evolve/1/hypervolume": 0.5}]
    tracking.close()
    again = Jsonl().begin(run)
    again.finish(made_up_result(run))
    again.close()
    assert lines()[1:] == [FIGURES]
