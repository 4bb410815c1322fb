"""Slot ``backbone``: the network to prune."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from emopms.api.added_fields import AddedFields

if TYPE_CHECKING:
    from torch import nn


class Backbone(AddedFields):
    """A network architecture, and where its weights come from."""

    slot: ClassVar[str] = "backbone"

    names_code: ClassVar[bool] = False
    """Whether the settings name code that `build` imports and calls. A model of such a backbone is not built from its
    files: who loads it brings the network (`emopms.load`)."""

    weights: Annotated[str, Field(min_length=1)] | None = None
    """Weights to start from: a file of safetensors or a PyTorch checkpoint, relative to the data root. Without it,
    random ones."""
    weights_key: Annotated[str, Field(min_length=1)] | None = None
    """Key in that file under which the weights stand, such as `state_dict_ema`, or the prefix of their names. It is
    needed where the file holds several weights of this network. Without it, those are taken that fit."""

    added: ClassVar[frozenset[str]] = frozenset({"weights_key"})

    @abstractmethod
    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """The network with random weights, drawn from torch's global generator.

        Args:
            input_shape: Shape [C, H, W] of one image.
            classes: Number of classes.

        Returns:
            A module that maps a batch [N, C, H, W] to class scores [N, classes], traceable by torch.fx.
        """

    def fingerprint(self) -> str:
        """What the network depends on beside the settings, such as the hash of a file; stored results go by it."""
        return ""
