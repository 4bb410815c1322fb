"""Tests which networks can be pruned and writes ``docs/compatibility.md``: ``make bench-compatibility``.

    python -m benchmarks.compatibility [--keep]

With ``--keep``, rows that were measured with unchanged code are kept. It needs plugins/emopms-timm and emopms-onnx.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.compatibility.networks import NETWORKS, SEED
from benchmarks.compatibility.page import page
from benchmarks.machine import machine

ROOT = Path(__file__).resolve().parent.parent.parent
FIGURES = ROOT / "benchmarks" / "compatibility.json"
TIME_LIMIT_S = 240
"""Time limit for one network. A network that takes longer counts as hanging."""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--keep", action="store_true", help="keep rows that were measured with unchanged code")
    before = json.loads(FIGURES.read_text()) if options.parse_args().keep else {}
    known = {row["name"]: row for row in before.get("networks", []) if before["code"] == code()}
    figures: dict[str, Any] = {
        "command": "python -m benchmarks.compatibility",
        "machine": machine() | {name: version(name) for name in ("timm", "onnx", "onnxruntime")},
        "seed": SEED,
        "time_limit_s": TIME_LIMIT_S,
        "code": code(),
        "networks": [],
    }
    for network in NETWORKS:
        row = known.get(network.name) or measured(network.name, limit=TIME_LIMIT_S)
        figures["networks"].append(row)
        print(f"{row['name']}: {row['result']} {row.get('reason', '')} ({row['seconds']:.0f} s)", flush=True)  # noqa: T201
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    (ROOT / "docs" / "compatibility.md").write_text(page(figures))


def measured(name: str, *, limit: float) -> dict[str, Any]:
    """Measure one network in its own process. If it exceeds the limit or crashes, the row says so."""
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "row.json"
        file.write_text(json.dumps({"name": name, "step": "start"}))
        process = [sys.executable, "-m", "benchmarks.compatibility.row", name, str(file)]
        try:
            done = subprocess.run(process, cwd=ROOT, timeout=limit, stderr=subprocess.PIPE, text=True, check=False)
            ended = {"result": "wrong", "reason": f"ended with {done.returncode}: {done.stderr.strip()[-300:]}"}
        except subprocess.TimeoutExpired:
            ended = {"result": "hung", "reason": f"not done after {limit:.0f} s"}
        row: dict[str, Any] = json.loads(file.read_text())
    if "result" not in row:
        row |= ended
    return row | {"seconds": round(time.monotonic() - began, 1)}


def code() -> str:
    """Return a hash of all code that affects rows, which excludes the code of the page."""
    own = ROOT / "benchmarks"
    folders = (ROOT / "emopms", ROOT / "plugins", own / "compatibility")
    files = {file for folder in folders for file in folder.rglob("*.py")} | {own / "machine.py", own / "timm_models.py"}
    measuring = sorted(files - {own / "compatibility" / "page.py"})
    return hashlib.sha256(b"".join(file.read_bytes() for file in measuring)).hexdigest()[:16]


if __name__ == "__main__":
    main()
