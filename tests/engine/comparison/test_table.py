from __future__ import annotations

from typing import Any

import pytest

from emopms.engine.comparison.row import Row
from emopms.engine.comparison.table import csv_table, markdown, summarise


def _row(method: str, seed: int, accuracy: float, **more: Any) -> Row:
    figures: dict[str, Any] = {
        **{"baseline": {"name": method}, "target": "macs-0.5", "macs": 50, "params": 5, "macs_share": 0.5},
        **{"params_share": 0.5, "dense_accuracy": 0.9, "accuracy_before": 0.4, "validation_before": 0.4},
        **{"validation": 0.5, "search_seconds": 1.0, "searches_seconds": 1.0, "tuning_seconds": 2.0},
        **{"latency_ms": 2.5, "dense_latency_ms": 5.0, "speedup": 2.0, "latency_batch": 64},
        **{"evaluations": 1000, "training_epochs": 1, "epoch": 1},
    }
    return Row(method=method, seed=seed, accuracy=accuracy, **figures | more)


def test_the_best_comes_first_with_its_spread() -> None:
    rows = [_row("a", 0, 0.5), _row("b", 0, 0.6), _row("b", 1, 0.7), _row("c", 0, 0.9, target="macs-0.3")]
    found = summarise(rows)["methods"]
    assert [(entry["method"], entry["seeds"]) for entry in found] == [("b", [0, 1]), ("a", [0]), ("c", [0])]
    assert found[0]["accuracy"]["mean"] == pytest.approx(0.65)
    assert round(found[0]["accuracy"]["sd"], 4) == 0.0707
    assert found[1]["accuracy"]["sd"] is None
    text = markdown({"name": "test", **summarise(rows)})
    assert "| b | 2 | 0.500 | 0.500 | 2.50 | 2.00 ± 0.00 | 40.00 ± 0.00 | 65.00 ± 7.07 | 1.0 | 1,000 | 1 |" in text
    assert "for 64 images, and speed-up" in text
    assert text.index("## macs-0.5") < text.index("## macs-0.3")
    table = csv_table(rows)
    assert table.count("\n") == 5
    assert "latency_ms,dense_latency_ms,speedup,latency_batch" in table.partition("\r\n")[0]
    assert csv_table([]) == "\r\n"
