"""How many training images the recalibration of batch norm needs: writes ``benchmarks/recalibration.json``.

    python -m benchmarks.recalibration RUN

``RUN`` is a finished run, such as one of ``benchmarks/quality/cifar10_resnet20.yaml`` (`emopms run`). Each of its
models is pruned again, recalibrated on more and more training images, and scored on validation images before
fine-tuning.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import emopms
from benchmarks.machine import machine
from emopms.engine.finished.opened import OpenedRun
from emopms.engine.session.scoring import BATCH, score
from emopms.engine.support.progress import Silent
from emopms.network.channels.surgery import pruned_state
from emopms.network.layers.batchnorm import recalibrate

FIGURES = Path(__file__).resolve().parent / "recalibration.json"
COUNTS = (512, 1024, 2048, 4096, 8192, 16384, 32768)


def measure(run: Path) -> list[dict[str, Any]]:
    """Return loss, accuracy and seconds for each model and number of images."""
    result = emopms.Result(run)
    opened = OpenedRun.open(run, result.spec, data_root=None, device="auto", progress=Silent())
    context, rows = opened.context, []
    dense, sets = context.constrained(opened.artefact("constrain")), context.image_sets
    for model in result.summary["models"]:
        genome = result.front.genome(model["scheme"])
        for count in (count for count in COUNTS if count <= len(sets.train)):
            network = context.network(pruned_state(dense.network, [(dense.channels, genome)]))
            began = time.perf_counter()
            recalibrate(network, (images for images, _ in islice(sets.train.batches(BATCH), count // BATCH)))
            seconds = time.perf_counter() - began
            found = score(network.eval(), sets.validation, context.device)
            rows.append(
                {
                    "model": model["target"],
                    "images": count,
                    "loss": round(found.loss, 5),
                    "accuracy": round(found.accuracy, 5),
                    "seconds": round(seconds, 2),
                }
            )
            FIGURES.write_text(
                json.dumps({"machine": machine(), "run": result.summary["name"], "rows": rows}, indent=1)
            )
    return rows


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
