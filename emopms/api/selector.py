"""Slot ``selector``: the criterion, a loss that evaluates a pruned sub-network without the rest of the network."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from emopms.api.numbers import BatchSize, Count, Rate
from emopms.component import Component
from emopms.documented import documented

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn


@documented
@dataclass(frozen=True)
class Site:
    """The place after one sub-network, where a criterion evaluates the output features of this sub-network."""

    shape: tuple[int, ...]
    """Shape of the features f_i of one image, such as [C, H, W]."""
    classes: int
    """Number of classes."""
    tail: Callable[[Tensor], Tensor]
    """Function that runs the rest of the dense network: features [N, *shape] → class scores [N, classes]."""
    channel_dim: int = 1
    """Channel dimension of a batch of features [N, *shape]: 1 for feature maps [N, C, H, W], 2 for tokens [N, T, C], 3
    for channels-last feature maps [N, H, W, C]. The other dimensions after the first are positions."""

    @property
    def channels(self) -> int:
        """The number of channels of the features."""
        return self.shape[self.channel_dim - 1]


class Selector(Component):
    """A selector makes the criterion S_i of one site: a loss of a candidate's output features.

    The criterion is the third idea of EMO-PMS (arXiv 2303.16212). The last sub-network needs no selector: its criterion
    is always the cross-entropy of the network's own class scores.
    """

    slot: ClassVar[str] = "selector"

    @abstractmethod
    def criterion(self, site: Site) -> nn.Module:
        """Return the criterion of one site, a module called as ``criterion(features, reference, labels)``.

        The arguments of the criterion are the features of a candidate [N, *shape], the features of the dense network
        [N, *shape] and the labels [N]. The criterion returns the mean loss over the images, a scalar. Lower is better.
        """


class TrainedSelector(Selector):
    """A selector whose criteria have trained parameters.

    Each criterion is trained to minimise its loss on the features of the dense network.
    """

    epochs: Count = 3
    """Number of passes over the training images."""
    lr: Rate = 1e-2
    """Learning rate (Adam)."""
    batch_size: BatchSize = 256
    """Images per training step."""
