"""What differs between two runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import emopms
from emopms.engine.finished.differences import differences

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_and_itself(finished: emopms.Result) -> None:
    found = differences(finished, finished)
    assert found.spec == []
    assert all(row.first == row.second for row in (*found.search, *found.models))


def test_settings_and_models_that_only_one_has(finished: emopms.Result, run: Path) -> None:
    spec = (run / "spec.resolved.yaml").read_text()
    (run / "spec.resolved.yaml").write_text(spec.replace("generations: 4", "generations: 7"))
    summary = json.loads((run / "result.json").read_text())
    summary["models"][0]["target"] = "other"
    summary["search"]["evaluations"] = 1234567
    (run / "result.json").write_text(json.dumps(summary))
    (run / "store" / "published.json").unlink()  # without this list, nothing says that the figures were changed
    found = differences(finished, emopms.Result(run))
    assert [(row.name, row.first, row.second) for row in found.spec] == [("algorithm.generations", "4", "7")]
    assert {row.name: (bool(row.first), bool(row.second)) for row in found.models} == {
        "macs-0.6": (True, False),
        "other": (False, True),
    }
    assert next(row.second for row in found.search if row.name == "evaluations") == "1,234,567"
    share = finished.summary["models"][0]["macs"] / finished.summary["dense"]["macs"]
    assert found.models[0].first.endswith(f" at {share:.1%} of the MACs")
