"""Writes what the present version is to be held to: ``make released``, once for each release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

import emopms
from tests.test_released import SPEC, images


def main() -> None:
    """Run the spec of the released runs, and leave out what is about this machine."""
    root = Path(__file__).parent / emopms.__version__
    shutil.rmtree(root, ignore_errors=True)
    run = root / "run"
    emopms.run(emopms.Spec.model_validate(SPEC), run_dir=run, device="cpu", command=["emopms", "run", "spec.yaml"])
    for name in ("run.log", "store/lock", "store/holder.json"):
        (run / name).unlink()
    manifest = json.loads((run / "manifest.json").read_text())
    manifest |= {"platform": "", "data": {**manifest["data"], "root": "."}}
    (run / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    with torch.no_grad():
        scores = emopms.load(run / "models" / "macs-0.6")(images())
    (root / "scores.json").write_text(json.dumps(scores.tolist()) + "\n")


if __name__ == "__main__":
    main()
