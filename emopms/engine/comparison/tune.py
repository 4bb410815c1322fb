"""``tune/<method>/<target>``: prune the pretrained network by the genome that a baseline chose, and fine-tune."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from emopms.engine.comparison.row_stage import RowStage
from emopms.engine.results.choice import Choice
from emopms.engine.results.networks import DenseNetwork
from emopms.engine.training.tuning import pruned, tune

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Tune(RowStage):
    """Makes the pruned network of a baseline (a pruning method that searches are compared with), as the stage
    ``finetune`` makes the pruned network of a search. Its result is a `FinetunedNetwork`."""

    version: ClassVar[int] = 2

    chosen_by: str
    """Name of the stage that chose the genome."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Prune the network, fine-tune it on training images, and score it on validation images."""
        pretrained, genome = DenseNetwork.load(inputs["pretrain"]), Choice.load(inputs[self.chosen_by]).genome
        network = pruned(context, context.divided(inputs["pretrain"]), genome)
        order = f"finetune/{self.target.slug}"  # the same order of images as for the network of a search
        tune(network, context, teacher=pretrained.state, order=order, genome=genome, out=out).save(out)
