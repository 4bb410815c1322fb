"""A part of a network, with the features that enter it."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import torch

from emopms.network.layers.shared_tensors import names_by_tensor
from emopms.network.reconstruction.linear_calls import Watch
from emopms.network.runtime.row_buffer import RowBuffer, allocate_or_spill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor, nn

    from emopms.network.reconstruction.linear_calls import LinearCall

T = TypeVar("T")

_BATCH: Final = 64
"""Images per forward pass."""


class _ReachedError(Exception):
    """Ends a forward pass, because nothing after the call is needed."""


@dataclass(frozen=True)
class Part:
    """A part of a network, with the features that enter it."""

    module: nn.Module
    features: Tensor
    """[N, …], on the device or in main memory."""

    def batches(self) -> Iterator[Tensor]:
        """Yield the features batch by batch, on the device."""
        device = next((parameter.device for parameter in self.module.parameters()), self.features.device)
        return (piece.to(device) for piece in torch.split(self.features, _BATCH))

    def outputs(self) -> Tensor:
        """Return the features [N, …] that leave the part. If they do not fit into memory, they are in a file."""
        buffer, start = RowBuffer(len(self.features), allocate_or_spill), 0
        for piece in self.batches():
            buffer.add(self.module(piece), slice(start, start := start + len(piece)))
        assert buffer.tensor is not None
        return buffer.tensor

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """The parameters that have a single name."""
        named = dict(self.module.named_parameters(remove_duplicate=False))
        return {names[0]: named[names[0]] for names in names_by_tensor(named.items()).values() if len(names) == 1}

    def layers(self) -> Mapping[str, int]:
        """Return the weights that are used in one call of ``conv2d``, ``linear`` or ``batch_norm``, and nowhere else.

        The result holds the number of positions of the call by the name of the weight, in the order of the calls.
        """
        uses: Counter[str] = Counter()
        positions: dict[str, int] = {}

        def note(name: str, call: LinearCall | None) -> None:
            uses[name] += 1
            if call is not None:
                positions[name] = call.positions

        few = next(self.batches())[:2]
        with Watch({id(parameter): name for name, parameter in self.parameters.items()}, note):
            self.module(few)
        return {name: count for name, count in positions.items() if uses[name] == 1}

    def at_call(self, weight: str, inputs: Tensor, read: Callable[[LinearCall], T]) -> T:
        """Run the part up to the call that uses a weight, and return what ``read`` returns for this call.

        Args:
            weight: One of `layers`.
            inputs: A batch of the features that enter the part.
            read: Receives the call, before its inputs and outputs can be overwritten.
        """
        found: list[T] = []

        def take(_: str, call: LinearCall | None) -> None:
            assert call is not None
            found.append(read(call))
            raise _ReachedError

        with suppress(_ReachedError), Watch({id(self.module.get_parameter(weight)): weight}, take):
            self.module(inputs)
        return found[0]
