"""Runs a small spec in a process, and summarises its results for comparisons."""

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
    """The result of a process."""

    code: int
    said: str
    """Its output on stderr."""


def start(folder: Path, spec: Path = SPEC) -> subprocess.Popen[str]:
    """Start or resume a run in a folder. It uses one thread, because several runs are parallel."""
    command = [sys.executable, "-m", "emopms", "run", str(spec), "--run-dir", str(folder), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(folder: Path, spec: Path = SPEC) -> Ended:
    """Start or resume a run and wait for its end."""
    process = start(folder, spec)
    _, said = process.communicate()
    return Ended(process.returncode, said)


def stage_of(folder: Path) -> str:
    """Return the first incomplete stage, ``publish`` if all are complete, or ``start`` if there is no plan yet."""
    try:
        stages = json.loads((folder / "store" / "plan.json").read_text())["stages"]
    except FileNotFoundError:
        return "start"
    for stage, key in stages.items():
        if not (folder / "store" / stage.replace("/", "-") / key[:16] / "meta.json").exists():
            return str(stage)
    return "publish"


def outcome(folder: Path) -> dict[str, str]:
    """Return the checksums of all files that must be equal in every run of a spec.

    These are the stored files of all stages, the front, the result and the models. Times are excluded.
    """
    found: dict[str, str] = {}
    for meta in sorted(folder.glob("store/*/*/meta.json")):
        stored: dict[str, str] = json.loads(meta.read_text())["files"]
        found |= {f"{meta.parent.parent.name}/{file}": digest for file, digest in stored.items()}
    for path in sorted(path for path in folder.glob("models/*/*") if ".kept" not in path.suffixes):
        found[path.relative_to(folder).as_posix()] = _digest(path.read_bytes())
    found["front.csv"] = _digest((folder / "front.csv").read_bytes())
    found["result.json"] = _digest(json.dumps(_timeless(json.loads((folder / "result.json").read_text()))).encode())
    return found


def _timeless(result: dict[str, Any]) -> dict[str, Any]:
    search = {name: value for name, value in result["search"].items() if name != "seconds"}
    return {**result, "search": search, "stages": [stage["name"] for stage in result["stages"]]}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
