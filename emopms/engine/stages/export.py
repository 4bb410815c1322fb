"""``export/<target>``: measure a pruned network on test images and write it. No choice depends on these images."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from loguru import logger

from emopms.api import PrunedModel
from emopms.engine.models.model_card import PICTURE, model_card
from emopms.engine.models.width_picture import width_picture
from emopms.engine.results.exported import ModelFigures
from emopms.engine.results.networks import FinetunedNetwork
from emopms.engine.search.evaluation import failures
from emopms.engine.search.named_costs import cost_names, named_costs
from emopms.engine.search.network_costs import NetworkCosts
from emopms.engine.session.final_figures import figures_of_model
from emopms.engine.session.networks import example_images
from emopms.engine.stages.base import Stage
from emopms.engine.storage.serialization import encode_compact_json
from emopms.engine.support.component_calls import guarded_call
from emopms.errors import RunError
from emopms.network.channels.surgery import kept_indices
from emopms.network.costs.cost_model import count
from emopms.network.runtime.device import in_layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.network.partition.divided_network import DividedNetwork
    from emopms.spec import Spec, Target


@dataclass(frozen=True, kw_only=True)
class Export(Stage):
    """Measures one pruned network on test images, and writes the files of all exporters to ``models/<target>/``. The
    measured values are stored as an `ExportedModel`."""

    version: ClassVar[int] = 3

    target: Target | None
    """The target of the model; None if its scheme was picked."""
    slug: str
    """Name of the model's folder."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Measure the model, and write it."""
        finetuned = FinetunedNetwork.load(inputs[f"finetune/{self.slug}"])
        divided = context.constrained(inputs["constrain"])
        costs, dense_costs = self._costs(context, divided, finetuned.genome)
        limits = {} if self.target is None else self.target.limits(dense_costs)
        missed = {name: limit for name, limit in limits.items() if costs[name] > limit}
        for name, limit in missed.items():
            logger.warning(
                "{}: the model misses the target: its {} is {:,g} when measured again, but {:,g} is allowed",
                self.slug,
                name,
                costs[name],
                limit,
            )
        model = figures_of_model(
            context, finetuned, self.slug, meets_costs=not missed, costs=costs, dense_costs=dense_costs
        )
        with out.folder_for(f"models/{self.slug}") as folder:
            network = context.network(finetuned.state)
            architecture = write_formats(context, network, macs=model.macs, params=model.params, folder=folder)
            channels = kept_indices(divided.network, divided.channels, finetuned.genome)
            (folder / "channels.json").write_bytes(encode_compact_json(channels))
            layers = divided.costs.by_layer(finetuned.genome)
            picture = width_picture([(layer.name, layer.channels, layer.kept_channels) for layer in layers])
            (folder / PICTURE).write_text(picture, encoding="utf-8")
            files = sorted(path.name for path in folder.iterdir())
            card = model_card(
                context.spec, architecture, model, ModelFigures.load(inputs["dense"]), files, quality=context.quality
            )
            (folder / "README.md").write_text(card, encoding="utf-8")
        model.save(out)

    def check(self, context: Context, out: Workspace) -> None:
        """Write the network with random weights once, if exporters or network are not those that emopms is tested
        with.

        Raises:
            ComponentError: An exporter cannot write the network.
        """
        if self.target == context.spec.targets[0] and not _are_tested(context.spec):
            network, counted = context.random_network(), count(context.random_network(), context.example)
            with out.temporary_folder("trial") as folder:
                write_formats(context, network, macs=counted.macs, params=counted.params, folder=folder)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds to measure the model on test images, and to write it."""
        network, counted = context.random_network(), count(context.random_network(), context.example)

        def write() -> None:
            with TemporaryDirectory() as folder:
                write_formats(context, network, macs=counted.macs, params=counted.params, folder=Path(folder))

        return 2 * timer.forward(context.source.test_size) + timer.stopwatch.once(write)

    def _costs(
        self, context: Context, divided: DividedNetwork, genome: NDArray[np.bool_]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Measure the costs of the model and of the dense network, by name.

        Raises:
            RunError: A cost cannot be evaluated.
        """
        genomes = np.stack([genome, divided.whole.dense])
        found = NetworkCosts(context, divided.whole).evaluate(genomes)
        if failures(found.values).any():
            raise RunError(
                f"The costs of the model {self.slug} cannot be evaluated: {found.cause}",
                remedy="Fix this objective, or leave it out of `objectives`; run.log may show more details.",
            )
        by_name = named_costs(cost_names(context.spec), found.values, genomes, divided.costs)
        return (
            {name: float(values[0]) for name, values in by_name.items()},
            {name: float(values[1]) for name, values in by_name.items()},
        )


def _are_tested(spec: Spec) -> bool:
    """Return whether the backbone and all exporters are part of emopms, and the backbone runs no code of the user."""
    own = all(type(component).__module__.startswith("emopms.") for component in (spec.backbone, *spec.export))
    return own and not spec.backbone.names_code


def write_formats(context: Context, network: nn.Module, *, macs: int, params: int, folder: Path) -> dict[str, Any]:
    """Write a network with every exporter of the spec.

    Args:
        context: The context of the run.
        network: The network, which is moved to the CPU.
        macs: Multiply-accumulates of the network for one image.
        params: Number of parameters of the network.
        folder: The existing folder that receives the files.

    Returns:
        The content of ``architecture.json``.
    """
    network = in_layout(network.cpu(), torch.contiguous_format).eval()
    architecture = describe(context, network, macs=macs, params=params)
    example = example_images(context.source)
    model = PrunedModel(network=network, example=example, architecture=architecture)
    for exporter in context.spec.export:
        remedy = f"Take {exporter.name} out of `export`, or write the network's forward as a plain forward(self, x)"
        with guarded_call(exporter, "export a model", remedy=remedy):
            exporter.export(model, folder)
    return architecture


def describe(context: Context, network: nn.Module, *, macs: int, params: int) -> dict[str, Any]:
    """Return all values that are needed to build the network again and to prepare its inputs, as JSON."""
    channels, data = context.source.shape[0], context.spec.data
    return {
        "format": 1,
        "emopms": version("emopms"),
        "backbone": {**context.spec.backbone.model_dump(mode="json"), "weights": None, "weights_key": None},
        "input": {
            "shape": list(context.source.shape),
            "mean": list(data.mean) * (channels if len(data.mean) == 1 else 1),
            "std": list(data.std) * (channels if len(data.std) == 1 else 1),
        },
        "classes": list(context.source.classes),
        "macs": macs,
        "params": params,
        "widths": {
            name: module.weight.shape[0]
            for name, module in network.named_modules()
            if isinstance(module, torch.nn.Linear | torch.nn.modules.conv._ConvNd)
        },
    }
