"""``assess/<method>/<target>``: measure the network that a baseline pruned, on test images. No earlier stage uses these
images to choose anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from emopms.engine.comparison.row_stage import RowStage
from emopms.engine.results.networks import FinetunedNetwork
from emopms.engine.session.final_figures import figures_of_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Assess(RowStage):
    """Measures the fine-tuned network of a baseline (a pruning method that searches are compared with) on test images,
    as the stage ``export`` measures networks of a search. Its result is an `ExportedModel`, stored as
    ``figures.json``."""

    version: ClassVar[int] = 2
    tuned_by: str
    """Name of the stage that made the fine-tuned network."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Measure the pruned network on test images, before and after fine-tuning."""
        finetuned = FinetunedNetwork.load(inputs[self.tuned_by])
        figures_of_model(context, finetuned, self.target.slug, costs={}, dense_costs={}).save(out)
