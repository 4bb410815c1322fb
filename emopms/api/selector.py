"""Slot ``selector``: how well a pruned sub-network still processes features, without the rest of the network."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from emopms.api.numbers import BatchSize, Count, Rate
from emopms.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn


@dataclass(frozen=True)
class Site:
    """The place behind one sub-network, where a selector judges its features."""

    shape: tuple[int, ...]
    """Shape of the features f_i of one input, such as [C, H, W]."""
    classes: int
    tail: Callable[[Tensor], Tensor]
    """The dense rest of the network: features [N, *shape] → class scores [N, classes]."""
    channel_dim: int = 1
    """Dimension of a batch of features [N, *shape] that holds the channels: 1 of maps [N, C, H, W], 2 of tokens
    [N, T, C], 3 of maps whose channels come last [N, H, W, C]. All others but the first are positions."""

    @property
    def channels(self) -> int:
        """How many channels the features have."""
        return self.shape[self.channel_dim - 1]


class Selector(Component):
    """Makes the judge S_i of one site (third idea of EMO-PMS, arXiv 2303.16212).

    The last site is judged by the network's own classifier, whatever the selector.
    """

    slot: ClassVar[str] = "selector"

    @abstractmethod
    def criterion(self, site: Site) -> nn.Module:
        """A judge: a module called as ``judge(features, reference, labels)``.

        It gets the features of a candidate [N, *shape], those of the dense network [N, *shape] and the labels
        [N], and returns the mean loss as a scalar; lower is better.
        """


class TrainedSelector(Selector):
    """A selector whose judges have parameters: they learn by minimising that very loss on the dense features."""

    epochs: Count = 3
    """Passes over the training images."""
    lr: Rate = 1e-2
    """Learning rate (Adam)."""
    batch_size: BatchSize = 256
    """Images a step."""
