"""Groups of settings of the spec. The docstring below a field becomes its description."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from emopms.api import BatchSize, Rate
from emopms.api.added_fields import AddedFields
from emopms.component import Settings


class Training(Settings):
    """Training by stochastic gradient descent with Nesterov momentum 0.9 and a cosine schedule."""

    epochs: Annotated[int, Field(ge=0, le=100_000)] = 10
    """Number of passes over the training images."""
    lr: Rate = 0.05
    """Largest learning rate, with which the cosine schedule starts."""
    batch_size: BatchSize = 128
    """Images per training step."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 5e-4
    """Factor of the L2 penalty on the parameters of the network."""


class FinetuneSettings(Training):
    """Training of a pruned network, by default with distillation from the dense network.

    Distillation (Hinton, Vinyals and Dean 2015, arXiv 1503.02531) minimises
    ``alpha · T² · KL(teacher‖student) + (1 − alpha) · CE``. KL compares the class probabilities of both networks at
    temperature T, and CE is the cross-entropy with the labels.
    """

    lr: Rate = 0.02
    """Largest learning rate, with which the cosine schedule starts."""
    distill: bool = True
    """Whether the pruned network also learns from the class probabilities of the dense network."""
    temperature: Rate = 4.0
    """Temperature T. The class scores of both networks are divided by T before the softmax."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Factor `alpha` of the distillation term in the loss. With 1, labels are not used."""


class Surgery(Settings):
    """What happens to the kept weights when channels are removed."""

    reconstruct: Literal["none", "least_squares"] = "none"
    """`least_squares`: layer by layer, kept weights are solved anew on training images, so that each layer computes
    what it computed in the dense network. It helps if there is little or no fine-tuning. `none`: kept weights stay,
    and batch norm is recalibrated. With 0 epochs of fine-tuning, `least_squares` is the default."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of stages that remove channels. Without reconstruction, there are none: so stages that were
        stored before there was this key stay valid."""
        return {} if self.reconstruct == "none" else {"surgery": self.model_dump(mode="json")}


class Genome(AddedFields):
    """The encoding of candidates: what can be pruned, and in which units."""

    added: ClassVar[frozenset[str]] = frozenset({"keep", "min_channels", "max_ratio"})

    coding: Literal["channels", "widths"] = "channels"
    """`channels`: the search decides about each channel. `widths`: the search only chooses the number of channels of
    each layer, and the layer keeps the channels with the largest weight magnitude. `widths` gives a much smaller search
    space. Use it for wide networks."""
    channel_multiple: Annotated[int, Field(ge=1, le=1024)] = 1
    """Each pruned layer has a multiple of this number of channels, because fast kernels need it. There are two
    exceptions: a layer whose dense width is not a multiple may keep its dense width, and a layer that repeats some of
    its channels more often than others may have another width."""
    prune_residual: bool = False
    """Whether layers whose outputs are added by residual shortcuts inside a sub-network are pruned too. All layers
    whose outputs are added together then lose the same channels."""
    prune_boundaries: bool = False
    """Whether the channels of the tensors at the split points are pruned too. One more search, which evaluates the
    whole network, then chooses which of these channels are kept."""
    keep: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)] = ()
    """Patterns of paths of layers that keep all of their output channels, such as `[layer1.*, "*.conv1"]`. `*` stands
    for any text. Layers that must have the same channels as one of these layers, because their outputs are added, keep
    them too."""
    min_channels: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Least number of output channels that each layer keeps. A layer that has fewer channels keeps all of them."""
    max_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Largest share of the output channels of each layer that may be removed, by any method and for any target. With
    0.75, a layer of 64 channels keeps at least 16 of them. With 1, there is no such limit."""
