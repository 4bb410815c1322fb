"""Slot ``backbone``: the network to prune."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from emopms.api.added_fields import AddedFields
from emopms.component import Component

if TYPE_CHECKING:
    from torch import nn


class Backbone(AddedFields, Component):
    """A network architecture, and the file that its weights are read from."""

    slot: ClassVar[str] = "backbone"

    names_code: ClassVar[bool] = False
    """Whether the settings name code that `build` imports and calls. `emopms.load` does not run such code. A user who
    loads an exported model of such a backbone must pass the network to `emopms.load`."""

    weights: Annotated[str, Field(min_length=1)] | None = None
    """File of the weights to start from: a safetensors file or a PyTorch checkpoint, relative to the data root: the
    folder that `--data-root` or `EMOPMS_DATA` names, or else the folder of the spec. Without this file, the network
    starts with random weights."""
    weights_key: Annotated[str, Field(min_length=1)] | None = None
    """Key of the weights in the file `weights`, such as `state_dict_ema`, or a prefix of their names. It is needed if
    the file holds several sets of weights for this network. Without it, the set that fits the network is taken."""

    added: ClassVar[frozenset[str]] = frozenset({"weights_key"})

    @property
    def has_weights(self) -> bool:
        """Whether the network is trained already. Then it is taken as it is, unless ``pretrain.epochs`` is set."""
        return self.weights is not None

    @abstractmethod
    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Return the network with random weights, drawn from torch's global random number generator.

        Args:
            input_shape: Shape [C, H, W] of one image.
            classes: Number of classes.

        Returns:
            A module that maps a batch [N, C, H, W] to class scores [N, classes]. torch.fx must be able to trace it.
        """

    def fingerprint(self) -> str:
        """Return a text that changes whenever the network changes for another reason than its settings.

        An example is the hash of a file that `build` reads. Stored results are used again only while the text is equal.
        """
        return ""
