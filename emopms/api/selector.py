"""Slot ``selector``: the criterion that evaluates a pruned sub-network without the rest of the network."""

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
    """The place after one sub-network, where a criterion evaluates its output features."""

    shape: tuple[int, ...]
    """Shape of the features f_i of one image, such as [C, H, W]."""
    classes: int
    """Number of classes."""
    tail: Callable[[Tensor], Tensor]
    """Function that runs the rest of the dense network: features [N, *shape] → class scores [N, classes]."""
    channel_dim: int = 1
    """Channel dimension of a batch of features [N, *shape]: 1 for maps [N, C, H, W], 2 for tokens [N, T, C], 3 for
    channels-last maps [N, H, W, C]. The other dimensions after the first are positions."""

    @property
    def channels(self) -> int:
        """The number of channels of the features."""
        return self.shape[self.channel_dim - 1]


class Selector(Component):
    """A selector makes the criterion S_i of one site (third idea of EMO-PMS, arXiv 2303.16212).

    The last sub-network is always evaluated by the network's own classifier, not by a selector.
    """

    slot: ClassVar[str] = "selector"

    @abstractmethod
    def criterion(self, site: Site) -> nn.Module:
        """Return the criterion of one site, a module called as ``criterion(features, reference, labels)``.

        Its arguments are the features of a candidate [N, *shape], the features of the dense network [N, *shape] and
        the labels [N]. It returns the mean loss over the images, a scalar; lower is better.
        """


class TrainedSelector(Selector):
    """A selector whose criteria have parameters, which are trained to minimise their loss on the dense features."""

    epochs: Count = 3
    """Number of passes over the training images."""
    lr: Rate = 1e-2
    """Learning rate (Adam)."""
    batch_size: BatchSize = 256
    """Images per training step."""
