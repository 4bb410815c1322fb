"""``dense``: measure the dense network on test images. No other stage chooses anything by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.engine.results.networks import DenseNetwork
from emopms.engine.session.final_figures import final_figures
from emopms.engine.stages.base import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer


class Dense(Stage):
    """Measures the pretrained dense network, with which pruned networks are compared. Its result is a
    `ModelFigures`."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Measure the pretrained network on test images."""
        final_figures(context, context.network(DenseNetwork.load(inputs["pretrain"]).state)).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds to measure the network on test images."""
        return timer.forward(context.source.test_size)
