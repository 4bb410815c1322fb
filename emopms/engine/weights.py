"""Reading a weights file into a network. Nothing in the file is ever executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from emopms.errors import WeightsError
from emopms.network.surgery import require_same_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a safetensors file into a dense network, tensor by tensor under the same names and shapes.

    Raises:
        WeightsError: It is no safetensors file, or its tensors are not the network's.
    """
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{path} is not a readable safetensors file: {error}",
            remedy="Convert the weights with safetensors.torch.save_file(state_dict, path).",
        ) from error
    own = network.state_dict()
    # A counter that only momentum-less batch norm reads; many published files leave it out.
    state |= {n: t for n, t in own.items() if n.endswith("num_batches_tracked") and n not in state}
    require_same_tensors(network, state, origin=str(path), shrunk=False)
    if broken := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise WeightsError(
            f"{path} holds values that are not finite, first in {broken[0]!r}.",
            remedy="Use weights of a training that did not diverge.",
        )
    network.load_state_dict(state)
