"""Measures reconstruction by least squares before any training, and writes ``benchmarks/reconstruction.json``.

ResNet-20 with its published weights is pruned on CIFAR-10, every layer by the same share of its channels. Only a few
training images are used, to recalibrate batch norm or to reconstruct layers. Accuracies are of validation images.

    EMOPMS_DATA=/data python -m benchmarks.reconstruction
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from loguru import logger

import emopms
from benchmarks.machine import machine
from emopms.cli.terminal import Lines
from emopms.engine.pipeline.preflight import prepare
from emopms.engine.session.scoring import score
from emopms.engine.support.paths import data_folder
from emopms.network.channels.surgery import pruned_state
from emopms.network.layers.batchnorm import recalibrate
from emopms.network.partition.importance import magnitude
from emopms.network.reconstruction.reconstruct import reconstruct
from emopms.network.runtime.device import Device

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from emopms.engine.session.context import Context
    from emopms.network.partition.subnetwork import SubNetwork

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "specs" / "cifar10_resnet20.yaml"
TARGET: Final = 0.5
"""Largest share of the MACs that is kept."""
IMAGES: Final = (128, 512, 2048)
"""Numbers of training images."""


def main() -> None:
    spec = emopms.load_spec(SPEC)
    context = prepare(spec, folder=data_folder(spec, None), device=Device.choose("auto"), progress=Lines()).context
    figures = {
        "command": "python -m benchmarks.reconstruction",
        "machine": machine(),
        "validation": len(context.image_sets.validation),
        **accuracies(context),
    }
    (ROOT / "benchmarks" / "reconstruction.json").write_text(json.dumps(figures, indent=2) + "\n")


def accuracies(context: Context) -> dict[str, Any]:
    """Return the accuracy of the dense network, the share of MACs that is kept, and a row for each number of images."""
    dense = context.given_network()
    few = next(context.image_sets.train.batches(2 * max(IMAGES)))[0][: max(IMAGES)]
    recalibrate(dense, torch.split(few, 256))  # its weights were trained on the lossless images
    divided, rows = context.divide(dense), []

    def accuracy(network: nn.Module) -> float:
        return score(network, context.image_sets.validation, context.device, exact=True).accuracy

    genome = uniform(divided.whole, TARGET)
    macs = divided.costs.macs(np.stack([genome, divided.whole.dense]))
    for count in IMAGES:
        pruned = [context.network(pruned_state(dense, [(divided.channels, genome)])) for _ in range(2)]
        recalibrate(pruned[0], torch.split(few[:count], 256))
        started = time.perf_counter()
        reconstruct(pruned[1], divided, genome, few[:count], torch.Generator().manual_seed(0))
        seconds = time.perf_counter() - started
        rows.append(
            {
                "images": count,
                "recalibrated": accuracy(pruned[0]),
                "reconstructed": accuracy(pruned[1]),
                "seconds": round(seconds, 1),
            }
        )
        logger.info("{}", rows[-1])
    return {"dense": accuracy(dense), "macs": float(macs[0] / macs[1]), "rows": rows}


def uniform(sub: SubNetwork, target: float) -> NDArray[np.bool_]:
    """Return the genome [genes] that keeps the channels with the largest weights, the same share of each layer, and at
    most the share ``target`` of the MACs."""
    largest, found = magnitude(sub), sub.dense
    for share in np.arange(0.99, 0, -0.01):
        found = np.zeros(sub.channels.genes, dtype=np.bool_)
        for group in sub.channels.groups:
            best = np.argsort(-largest[group.genes])[: max(1, round(share * group.size))]
            found[group.start + best] = True
        if sub.costs.macs(found[None])[0] <= target * sub.costs.macs(sub.dense[None])[0]:
            break
    return found


if __name__ == "__main__":
    main()
