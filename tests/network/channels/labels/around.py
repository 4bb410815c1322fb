"""A network around one operation, whose labels tests look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import nn

from ...networks import Net, assert_prunes_well, whole

if TYPE_CHECKING:
    from collections.abc import Callable


def around(operation: Callable[[Any, Any], Any], **layers: nn.Module) -> Net:
    """conv ``a`` → relu → conv ``b`` → the operation → mean → linear; ``a`` can always be pruned."""

    def run(net: Any, x: Any) -> Any:
        x = operation(net, net.b(F.relu(net.a(x))))
        return net.scores(x.mean((2, 3)))

    channels = layers.pop("width", nn.Identity())
    scores = channels if isinstance(channels, nn.Linear) else nn.Linear(4, 3)
    return Net(run, a=nn.Conv2d(2, 4, 3, padding=1), b=nn.Conv2d(4, 4, 3, padding=1), **layers, scores=scores)


def free_channels(operation: Callable[[Any, Any], Any], **layers: nn.Module) -> dict[str, int]:
    """Return the number of free channels by layer, after checking that the network prunes well; ``a`` is left out."""
    network = around(operation, **layers)
    sub = whole(network)
    assert_prunes_well(network, sub)
    return {group.name: group.size for group in sub.channels.groups if group.name != "a"}


def reason(operation: Callable[[Any, Any], Any], **layers: nn.Module) -> str:
    """Return the reason for which the layer before the operation is pinned."""
    return whole(around(operation, **layers)).channels.pinned["b"]
