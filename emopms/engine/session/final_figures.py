"""Measures loss, accuracy and costs of networks on test images. No choice in a run depends on these images."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from emopms.engine.results.exported import ExportedModel, ModelFigures
from emopms.engine.session.knowledge import count_by_class
from emopms.engine.session.scoring import score
from emopms.network.costs.cost_model import count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from emopms.engine.results.networks import FinetunedNetwork
    from emopms.engine.session.context import Context


def final_figures(context: Context, network: nn.Module) -> ModelFigures:
    """Measure a network on test images, in fp32 like exported models."""
    counted = count(network, context.example)
    by_class = count_by_class(network, context.image_sets.test, context.classes)
    return ModelFigures(
        balanced_accuracy=by_class.balanced_accuracy,
        recall=by_class.recall,
        **asdict(score(network, context.image_sets.test, context.device, exact=True)),
        macs=counted.macs,
        params=counted.params,
        not_counted=[_with_macs(name, counted.uncounted_macs.get(name)) for name in counted.uncounted],
    )


def figures_of_model(
    context: Context,
    finetuned: FinetunedNetwork,
    slug: str,
    *,
    meets_costs: bool = True,
    costs: Mapping[str, float],
    dense_costs: Mapping[str, float],
) -> ExportedModel:
    """Measure a pruned network on test images, before and after fine-tuning.

    Args:
        context: The context of the run.
        finetuned: The pruned network.
        slug: Name of the model's folder.
        meets_costs: Whether the costs of the model are within the bounds of its target.
        costs: The costs of the model by name.
        dense_costs: The same costs of the dense network.
    """
    before = score(context.network(finetuned.recalibrated), context.image_sets.test, context.device, exact=True)
    return ExportedModel(
        target=slug,
        epoch=finetuned.epoch,
        meets_target=finetuned.meets_target and meets_costs,
        accuracy_before_finetune=before.accuracy,
        costs=costs,
        dense_costs=dense_costs,
        **asdict(final_figures(context, context.network(finetuned.state))),
    )


def _with_macs(name: str, macs: int | None) -> str:
    """Return a text such as ``LSTM (1,000 MACs)``: a kind of layer that the MACs leave out, with its own MACs. If these
    are not known, return the name alone."""
    return name if macs is None else f"{name} ({macs:,} MACs)"
