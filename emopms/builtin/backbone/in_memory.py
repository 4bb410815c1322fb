"""The backbone ``in_memory``: a network that a Python program holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import PrivateAttr

from emopms.api import Backbone
from emopms.errors import NetworkError

if TYPE_CHECKING:
    from torch import nn


class InMemory(Backbone):
    """The network that a Python program passes to `emopms.prune`. A spec file cannot name a network in this way."""

    name: Literal["in_memory"] = "in_memory"

    only_in_python: ClassVar[str] = "the network was passed to emopms.prune"

    names_code: ClassVar[bool] = True

    _network: Any = PrivateAttr(default=None)  # a torch.nn.Module; a spec is read without importing torch

    @classmethod
    def holding(cls, network: nn.Module) -> Self:
        """Return the backbone of a network. Later changes of the network do not count.

        Args:
            network: The network with its weights. It is copied to the CPU.
        """
        from emopms.api.own_network import copied

        made = cls()
        made._network = copied(network).cpu()
        return made

    @property
    def has_weights(self) -> bool:
        return True

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Return a copy of the network with its weights, prepared for pruning.

        Raises:
            NetworkError: The spec comes from a file, which holds no network, or the network cannot be prepared (see
                `emopms.api.own_network.make_ready`).
        """
        from emopms.api.own_network import copied, make_ready

        if self._network is None:
            raise NetworkError(
                "The network was in the memory of the Python program that called emopms.prune.",
                remedy="Call emopms.prune again with it. To load a model of it: emopms.load(folder, network=…).",
            )
        return make_ready(copied(self._network), input_shape=input_shape)
