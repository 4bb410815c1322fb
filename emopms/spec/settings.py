"""Groups of settings of the spec. The docstring below a field becomes its description."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from emopms.api import BatchSize, Rate
from emopms.api.added_fields import AddedFields
from emopms.component import Settings, invalid


class Training(AddedFields):
    """Training of a whole network. After each epoch it is scored on validation images, and the best state is kept."""

    added: ClassVar[frozenset[str]] = frozenset(
        {"optimizer", "schedule", "warmup", "label_smoothing", "mixup", "clip_norm", "ema", "patience"}
    )

    epochs: Annotated[int, Field(ge=0, le=100_000)] = 10
    """Number of passes over the training images."""
    lr: Rate = 0.05
    """Largest learning rate, with which the schedule starts after the warm-up."""
    batch_size: BatchSize = 128
    """Images per training step."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 5e-4
    """Factor of the weight decay: with `sgd` an L2 penalty, with `adamw` decoupled. Biases and parameters of
    normalisation layers have none."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """`sgd`: stochastic gradient descent with Nesterov momentum 0.9. `adamw` (Loshchilov and Hutter 2019,
    arXiv 1711.05101) needs an `lr` of its own, such as 0.001."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls to zero over all steps. `constant`: it does not fall."""
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of all steps, at the beginning, during which the learning rate rises."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the probability of the right class that is spread over all classes (Szegedy et al. 2016,
    arXiv 1512.00567)."""
    mixup: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Parameter of the beta distribution from which the weights of mixup are drawn (Zhang et al. 2018,
    arXiv 1710.09412): two images, and their losses, are mixed. Usual values are 0.1 to 0.4. With 0, images are not
    mixed."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient of all parameters together; a longer one is shortened to it. Without a value, no
    gradient is shortened."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of an exponential moving average of all weights, such as 0.999. The averaged network is scored and kept.
    With 0, there is no average."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Number of epochs without a better score after which the training ends early."""

    @model_validator(mode="after")
    def _adamw_has_its_own_rate(self) -> Self:
        """Refuse the learning rate of SGD for AdamW."""
        if self.optimizer == "adamw" and self.epochs and "lr" not in self.model_fields_set:
            raise invalid("`adamw` has no `lr`, and the default is one for `sgd`.", "Set it, such as `lr: 0.001`.")
        return self


class FinetuneSettings(Training):
    """Training of a pruned network, by default with distillation from the dense network.

    Distillation (Hinton, Vinyals and Dean 2015, arXiv 1503.02531) minimises
    ``alpha · T² · KL(teacher‖student) + (1 − alpha) · CE``. KL compares the class probabilities of both networks at
    temperature T, and CE is the cross-entropy with the labels.
    """

    lr: Rate = 0.02
    """Largest learning rate, with which the schedule starts after the warm-up."""
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
