"""``breakdown/<target>``: measure what each sub-network and each layer of a pruned network costs in loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.results.breakdown import Breakdown, LayerShare, SubnetworkShare
from emopms.engine.results.networks import FinetunedNetwork
from emopms.engine.session.scoring import BATCH, Scorer
from emopms.engine.stages.base import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer


@dataclass(frozen=True, kw_only=True)
class BreakDown(Stage):
    """Prunes one sub-network or one layer at a time, as a chosen scheme does, and measures the whole network on ranking
    images. Its result is a `Breakdown`."""

    slug: str
    """Name of the model's folder."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Measure the network with each sub-network, and with each channel group, pruned alone."""
        divided = context.constrained(inputs["constrain"])
        genome = FinetunedNetwork.load(inputs[f"finetune/{self.slug}"]).genome
        whole, stops = divided.whole, np.cumsum([sub.channels.genes for sub in divided.searched])
        parts = [slice(stop - sub.channels.genes, stop) for sub, stop in zip(divided.searched, stops, strict=True)]
        groups = whole.channels.groups
        genomes = np.stack([whole.dense, *(_alone(genome, genes) for genes in [*parts, *(g.genes for g in groups)])])
        images = context.image_sets.ranking
        with context.progress.track(self.name, len(genomes) * images.parts(BATCH), "measurements") as tracker:
            scores = Scorer(whole, images, context.device, int8=context.int8).score(
                genomes, out.journal("measured"), on_batch=lambda steps: tracker.advance(steps=steps)
            )
        dense, of_parts, of_groups = scores[0], scores[1 : 1 + len(parts)], scores[1 + len(parts) :]
        macs = divided.costs.macs(genomes)
        by_layer = {group.name: score.loss - dense.loss for group, score in zip(groups, of_groups, strict=True)}
        homes = {layer.name: sub.name for sub in divided.parts for layer in sub.channels.layers}
        Breakdown(
            subnetworks=[
                SubnetworkShare(
                    name=sub.name,
                    channels=sub.channels.genes,
                    kept_channels=int(genome[genes].sum()),
                    saved_macs=int(macs[0] - macs[row]),
                    impairment=score.loss - dense.loss,
                    accuracy_lost=dense.accuracy - score.accuracy,
                )
                for row, (sub, genes, score) in enumerate(zip(divided.searched, parts, of_parts, strict=True), start=1)
            ],
            layers=[
                LayerShare(
                    name=layer.name,
                    subnetwork=homes[layer.name],
                    channels=layer.channels,
                    kept_channels=layer.kept_channels,
                    macs=layer.macs,
                    kept_macs=layer.kept_macs,
                    impairment=by_layer.get(layer.name),
                )
                for layer in divided.costs.by_layer(genome)
            ],
        ).save(out)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds to measure the network once for each sub-network and for each channel group."""
        networks = 1 + len(parts) + sum(part.groups for part in parts)
        return networks * timer.forward(context.spec.data.calibration)


def _alone(genome: NDArray[np.bool_], genes: slice) -> NDArray[np.bool_]:
    """Return the genome [genes] that prunes only some genes, as another genome does."""
    alone = np.ones_like(genome)
    alone[genes] = genome[genes]
    return alone
