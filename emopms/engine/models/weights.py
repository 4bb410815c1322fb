"""Reading a weights file into a network. Nothing in the file is ever executed."""

from __future__ import annotations

import pickle
import re
import reprlib
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from emopms.engine.models.torch_checkpoint import CONVERT, load_checkpoint
from emopms.errors import WeightsError
from emopms.network.channels.surgery import require_same_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

_WRAPPERS = ("state_dict", "model")
"""Keys under which training scripts keep the weights beside other things."""
_DATA_PARALLEL = "module."
"""What ``torch.nn.DataParallel`` puts before every name."""


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a file into a dense network, tensor by tensor under the same names and shapes.

    Args:
        network: The network.
        path: A file of safetensors, or one that ``torch.save`` wrote: a state dict, as it is or under the key
            ``state_dict`` or ``model``.

    Raises:
        WeightsError: It is no such file, or its tensors are not the network's.
    """
    own = network.state_dict()
    state = _read(path)
    if all(name.startswith(_DATA_PARALLEL) for name in state) and not all(n.startswith(_DATA_PARALLEL) for n in own):
        state = {name.removeprefix(_DATA_PARALLEL): tensor for name, tensor in state.items()}
    # A counter that only momentum-less batch norm reads; many published files leave it out.
    state |= {n: t for n, t in own.items() if n.endswith("num_batches_tracked") and n not in state}
    require_same_tensors(network, state, origin=str(path), shrunk=False)
    if broken := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise WeightsError(
            f"{path} holds values that are not finite, first in {broken[0]!r}.",
            remedy="Use weights of a training that did not diverge.",
        )
    network.load_state_dict(state)


def _read(path: Path) -> dict[str, Tensor]:
    if path.exists() and not path.is_file():  # a pipe might never end
        raise WeightsError(f"{path} is no file.", remedy="Name a file that holds weights.")
    try:
        with path.open("rb") as file:
            if file.read(9)[8:] == b"{":  # safetensors: the length of the header, then the header, which is JSON
                return load_file(path)
            file.seek(0)
            content = load_checkpoint(file, path)
    except WeightsError:
        raise
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: {error}", remedy=CONVERT) from error
    except Exception as error:  # torch.load has no one error for what is no file of its own
        code = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        raise WeightsError(
            f"{path} holds more than tensors: it asks for {code[1]}, and nothing in a weights file is executed."
            if code
            else f"{path} is neither a file of safetensors nor a PyTorch state dict.",
            remedy=CONVERT,
        ) from error
    return _state(content, path)


def _state(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in what ``torch.load`` gave."""
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds no state dict but a {type(content).__name__}.", remedy=CONVERT)
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise WeightsError(
                f"{path} holds no state dict: under {reprlib.repr(key)} stands a {type(value).__name__}.",
                remedy=f"Tensors by name are read, at the top or under {' or '.join(map(repr, _WRAPPERS))}. {CONVERT}",
            )
    return content
