"""Real runs of the whole method on a small spec, as processes, and what is compared of them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPEC = Path(__file__).with_name("spec.yaml")


@dataclass(frozen=True)
class Ended:
    """A run that has come to an end."""

    code: int
    said: str
    """On stderr."""


def start(folder: Path, spec: Path = SPEC) -> subprocess.Popen[str]:
    """Begin or continue a run in a folder, on one thread: what many runs side by side leave each of them."""
    command = [sys.executable, "-m", "emopms", "run", str(spec), "--run-dir", str(folder), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(folder: Path, spec: Path = SPEC) -> Ended:
    """Run to the end."""
    process = start(folder, spec)
    _, said = process.communicate()
    return Ended(process.returncode, said)


def stage_of(folder: Path) -> str:
    """The first stage that is not complete; ``publish`` where all are; ``start`` before there is a plan."""
    try:
        stages = json.loads((folder / "store" / "plan.json").read_text())["stages"]
    except FileNotFoundError:
        return "start"
    for stage, key in stages.items():
        if not (folder / "store" / stage.replace("/", "-") / key[:16] / "meta.json").exists():
            return str(stage)
    return "publish"


def outcome(folder: Path) -> dict[str, str]:
    """Checksums of all that a finished run promises to be the same: every file that its stages stored, the front, the
    result and the weights. Times are left out."""
    found: dict[str, str] = {}
    for meta in sorted(folder.glob("store/*/*/meta.json")):
        stored: dict[str, str] = json.loads(meta.read_text())["files"]
        found |= {f"{meta.parent.parent.name}/{file}": digest for file, digest in stored.items()}
    for path in sorted(folder.glob("models/*/*")):
        found[path.relative_to(folder).as_posix()] = _digest(path.read_bytes())
    found["front.csv"] = _digest((folder / "front.csv").read_bytes())
    found["result.json"] = _digest(json.dumps(_timeless(json.loads((folder / "result.json").read_text()))).encode())
    return found


def _timeless(result: dict[str, Any]) -> dict[str, Any]:
    search = {name: value for name, value in result["search"].items() if name != "seconds"}
    return {**result, "search": search, "stages": [stage["name"] for stage in result["stages"]]}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
