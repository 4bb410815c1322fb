"""``export``: write every model, and touch the test images, once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

from emopms.api import PrunedModel
from emopms.engine.models.model_card import model_card
from emopms.engine.session.context import example_of
from emopms.engine.session.scoring import score
from emopms.engine.stages.base import Stage
from emopms.engine.storage.atomic import writing
from emopms.engine.support.component_calls import guarded_call
from emopms.network.channels.cost import count
from emopms.network.runtime.device import in_layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from emopms.engine.session.context import Context
    from emopms.engine.storage.store import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Export(Stage):
    """Gives ``models/<target>/`` with every exporter's files, and ``scores`` on test images."""

    def run(self, context: Context, inputs: Mapping[str, Artefact], out: Workspace) -> None:
        example = context.device.images(example_of(context.source))

        def measured(network: nn.Module) -> dict[str, Any]:
            counted = count(network, example)
            return {
                **asdict(score(network, context.image_sets.test, context.device, exact=True)),
                "macs": counted.macs,
                "params": counted.params,
                "not_counted": list(counted.uncounted),
            }

        dense = measured(context.network(inputs["pretrain"].tensors("network")))
        models = []
        for target in context.spec.targets:
            stage = inputs[f"finetune/{target.slug}"]
            before = score(
                context.network(stage.tensors("recalibrated")), context.image_sets.test, context.device, exact=True
            )
            network = context.network(stage.tensors("network"))
            facts = {
                "target": target.slug,
                "scheme": stage.json("choice")["scheme"],
                "accuracy_before_finetune": before.accuracy,
                **measured(network),
            }
            folder = out.folder / "models" / target.slug
            with writing(folder) as unfinished:
                self._write(context, network, facts, dense, unfinished)
            out.record(*(path for path in folder.rglob("*") if path.is_file()))
            models.append(facts)
        out.save_json("scores", {"dense": dense, "models": models})

    def _write(
        self, context: Context, network: nn.Module, facts: dict[str, Any], dense: dict[str, Any], folder: Path
    ) -> None:
        folder.mkdir()
        architecture = write_formats(context, network, facts, folder)
        card = model_card(
            context.spec, architecture, facts, dense, sorted(p.name for p in folder.iterdir()), quality=context.quality
        )
        (folder / "README.md").write_text(card, encoding="utf-8")


def write_formats(context: Context, network: nn.Module, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write a network in every format of the spec; returns its description."""
    network = in_layout(network.cpu(), torch.contiguous_format).eval()
    architecture = describe(context, network, facts)
    example = example_of(context.source)
    model = PrunedModel(network=network, example=example, architecture=architecture)
    for exporter in context.spec.export:
        with guarded_call(exporter, "export a model"):
            exporter.export(model, folder)
    return architecture


def describe(context: Context, network: nn.Module, facts: Mapping[str, Any]) -> dict[str, Any]:
    """All that is needed to build and feed the network again, as JSON."""
    channels, data = context.source.shape[0], context.spec.data
    return {
        "format": 1,
        "emopms": version("emopms"),
        "backbone": {**context.spec.backbone.model_dump(mode="json"), "weights": None},
        "input": {
            "shape": list(context.source.shape),
            "mean": list(data.mean) * (channels if len(data.mean) == 1 else 1),
            "std": list(data.std) * (channels if len(data.std) == 1 else 1),
        },
        "classes": list(context.source.classes),
        "macs": facts["macs"],
        "params": facts["params"],
        "widths": {
            name: module.weight.shape[0]
            for name, module in network.named_modules()
            if isinstance(module, torch.nn.Linear | torch.nn.modules.conv._ConvNd)
        },
    }
