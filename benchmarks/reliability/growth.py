"""Measures whether the memory of a long search grows over time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from benchmarks.reliability.subject import SPEC, start


def growth(folder: Path, *, early: int = 50, late: int = 500, population: int = 24) -> dict[str, Any]:
    """Search the whole network for many generations.

    Returns:
        Resident memory after an early and a late generation, and its relative growth, as JSON.
    """
    spec = yaml.safe_load(SPEC.read_text())
    spec |= {
        "split": [],
        "pretrain": {"epochs": 4},
        "constraint": "none",
        "finetune": {"epochs": 0},
        "export": ["safetensors"],
        "algorithm": {**spec["algorithm"], "generations": late, "pop_size": population},
    }
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(spec))
    process = start(folder / "run", path)
    assert process.stderr is not None
    resident: dict[int, int] = {}
    said = []
    for line in process.stderr:
        said.append(line)
        found = re.match(r"evolve/1: (\d+)/", line)
        if found and int(found[1]) in (early, late):
            resident[int(found[1])] = _resident(process.pid)
    if process.wait() != 0:
        raise RuntimeError(f"the run failed: {''.join(said[-5:])}")
    return {
        "generations": [early, late],
        "resident_bytes": [resident[early], resident[late]],
        "growth": resident[late] / resident[early] - 1,
    }


def _resident(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
