"""The selector criteria of all sub-networks: the losses S_i that evaluate features of a sub-network.

The spec's selector makes the criteria, and the ``selectors`` stage trains them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from emopms.api import Site
from emopms.engine.support.component_calls import guarded_call
from emopms.engine.support.seeds import seeded_globals
from emopms.network.criteria import ClassifierLoss
from emopms.network.inference.evaluator import dense_tail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from emopms.engine.session.context import Context
    from emopms.network.partition.subnetwork import SubNetwork


def make_criteria(
    context: Context,
    subnetworks: Sequence[SubNetwork],
    *,
    state: Mapping[str, Tensor] | None = None,
    differentiable: bool = False,
) -> nn.ModuleList:
    """Return one selector criterion for each sub-network.

    The last sub-network gives class scores, so its criterion is the cross-entropy of these scores.

    Args:
        context: The context of the run.
        subnetworks: All sub-networks, in order.
        state: The state dict of the trained criteria, to return frozen criteria; None to return untrained criteria.
        differentiable: Whether gradients must pass through the later sub-networks, if a criterion runs them. If not,
            the batch norms of the later sub-networks are re-estimated on each batch, as in every evaluation.

    Raises:
        ComponentError: The selector fails to make a criterion.
    """
    criteria = nn.ModuleList()
    with seeded_globals(context.spec.seed, "judges"):
        for sub in subnetworks:
            rest = subnetworks[sub.index + 1 :]
            tail = _differentiable_tail(rest) if differentiable else dense_tail(rest)
            site = Site(sub.output_shape, context.classes, tail, channel_dim=sub.channel_dim)
            with guarded_call(context.spec.selector, "make a criterion"):
                criteria.append(ClassifierLoss() if sub.is_last else context.spec.selector.criterion(site))
    if state is not None:
        criteria.load_state_dict(state)
    return criteria.to(context.device.type).eval().requires_grad_(state is None)


def _differentiable_tail(rest: Sequence[SubNetwork]) -> Callable[[Tensor], Tensor]:
    """Return a function that computes class scores from features, by the later sub-networks. Their batch norms are not
    re-estimated."""

    def tail(features: Tensor) -> Tensor:
        for sub in rest:
            features = sub.forward(features)
        return features

    return tail
