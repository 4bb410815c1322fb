"""``latency/<method>/<target>``: time forward passes of a pruned network in turns with those of the dense network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import torch

from emopms.engine.comparison.row_stage import RowStage
from emopms.engine.results.latency import Latency
from emopms.engine.results.networks import DenseNetwork, FinetunedNetwork
from emopms.engine.session.networks import example_images
from emopms.engine.timing.stopwatch import Stopwatch, TimingEffort
from emopms.network.costs.cost_model import count
from emopms.network.runtime.device import fp32

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact, Workspace

_EFFORT: Final = TimingEffort(min_repetitions=50, min_seconds=0.0, max_seconds=3.0)
"""Each network runs 50 times, or as often as 3 seconds allow."""
_MOST_IMAGES: Final = 64
"""Maximum number of images in a batch."""
_MOST_MACS: Final = 10**9
"""Maximum multiply-accumulates of the dense network for a batch of more than one image. A pass then takes a fraction
of a second on one core, and is still long enough that the calls of its layers do not count much."""


@dataclass(frozen=True, kw_only=True)
class MeasureLatency(RowStage):
    """Measures the latency of a fine-tuned network, and of the dense network in turns with it. All methods, searches
    and baselines, are measured by this stage. Its result is a `Latency`."""

    tuned_by: str
    """Name of the stage that made the fine-tuned network."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Time both networks on a batch of noise, in fp32 and in eval mode."""
        dense = context.network(DenseNetwork.load(inputs["pretrain"]).state)
        pruned = context.network(FinetunedNetwork.load(inputs[self.tuned_by]).state)
        size = batch_size(count(dense, context.example).macs)
        images = context.device.images(example_images(context.source)[:1].repeat(size, 1, 1, 1))
        stopwatch = Stopwatch(context.device, _EFFORT)
        with torch.inference_mode(), fp32():
            seconds = stopwatch.by_turns([partial(dense, images), partial(pruned, images)])
        dense_ms, pruned_ms = (1000 * each for each in seconds)
        Latency(batch_size=size, dense_ms=dense_ms, pruned_ms=pruned_ms).save(out)


def batch_size(macs: int) -> int:
    """Return the number of images in a batch. It depends on the dense network alone, so it is the same for all rows.

    Args:
        macs: Multiply-accumulates of the dense network for one image.
    """
    return max(1, min(_MOST_IMAGES, _MOST_MACS // max(1, macs)))
