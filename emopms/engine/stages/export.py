"""``export``: write every model, and measure it on test images. No earlier stage reads test images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from emopms.api import PrunedModel
from emopms.engine.models.model_card import model_card
from emopms.engine.results.exported import ExportedModel, Exports, ModelFigures
from emopms.engine.results.networks import DenseNetwork, FinetunedNetwork
from emopms.engine.session.final_figures import final_figures
from emopms.engine.session.networks import example_images
from emopms.engine.session.scoring import score
from emopms.engine.stages.base import Stage
from emopms.engine.support.component_calls import guarded_call
from emopms.network.costs.cost_model import count
from emopms.network.runtime.device import in_layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from emopms.engine.session.context import Context
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.storage.artefact import Artefact, Workspace
    from emopms.engine.timing.work_timer import WorkTimer
    from emopms.spec import Spec


@dataclass(frozen=True, kw_only=True)
class Export(Stage):
    """Writes the files of all exporters to ``models/<target>/``. The measured values are stored as an `Exports`."""

    version: ClassVar[int] = 2

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        """Measure the dense network and all models on test images, and write the models."""
        dense = final_figures(context, context.network(DenseNetwork.load(inputs["pretrain"]).state))
        models = []
        for target in context.spec.targets:
            finetuned = FinetunedNetwork.load(inputs[f"finetune/{target.slug}"])
            recalibrated = context.network(finetuned.recalibrated)
            before = score(recalibrated, context.image_sets.test, context.device, exact=True)
            network = context.network(finetuned.state)
            model = ExportedModel(
                target=target.slug,
                scheme=finetuned.scheme,
                epoch=finetuned.epoch,
                meets_target=finetuned.meets_target,
                accuracy_before_finetune=before.accuracy,
                **asdict(final_figures(context, network)),
            )
            with out.folder_for(f"models/{target.slug}") as folder:
                self._write(context, network, model, dense, folder)
            models.append(model)
        Exports(dense, models).save(out)

    def check(self, context: Context, out: Workspace) -> None:
        """Write the network with random weights once, if exporters or network are not those that emopms is tested
        with.

        Raises:
            ComponentError: An exporter cannot write the network.
        """
        if not _are_tested(context.spec):
            network, counted = context.random_network(), count(context.random_network(), context.example)
            with out.temporary_folder("trial") as folder:
                write_formats(context, network, macs=counted.macs, params=counted.params, folder=folder)

    def estimate(self, context: Context, parts: Sequence[PartSummary], timer: WorkTimer) -> float:
        """Return the estimated seconds to measure the dense network and all models on test images, and to write all
        models."""
        network, counted = context.random_network(), count(context.random_network(), context.example)

        def write() -> None:
            with TemporaryDirectory() as folder:
                write_formats(context, network, macs=counted.macs, params=counted.params, folder=Path(folder))

        measured = (1 + 2 * len(context.spec.targets)) * timer.forward(context.source.test_size)
        return measured + len(context.spec.targets) * timer.stopwatch.once(write)

    def _write(
        self, context: Context, network: nn.Module, model: ExportedModel, dense: ModelFigures, folder: Path
    ) -> None:
        architecture = write_formats(context, network, macs=model.macs, params=model.params, folder=folder)
        files = sorted(path.name for path in folder.iterdir())
        card = model_card(context.spec, architecture, asdict(model), asdict(dense), files, quality=context.quality)
        (folder / "README.md").write_text(card, encoding="utf-8")


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
