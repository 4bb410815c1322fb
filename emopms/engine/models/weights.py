"""Loads a weights file into a network. No code in the file is ever executed."""

from __future__ import annotations

import hashlib
import pickle
import re
from functools import cache
from typing import TYPE_CHECKING

import torch
from loguru import logger
from safetensors import SafetensorError
from safetensors.torch import load_file

from emopms.engine.models.checkpoint_contents import choose
from emopms.engine.models.torch_checkpoint import CONVERT, load_checkpoint
from emopms.errors import WeightsError
from emopms.network.channels.surgery import require_same_tensors
from emopms.network.runtime.free_memory import available_memory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

_KINDS = frozenset(
    {
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    }
)
"""Data types of tensors that can be loaded, because their numbers are the weights themselves. Float types of eight bits
and fewer need separate scales."""


def load_weights(network: nn.Module, path: Path, key: str | None = None) -> None:
    """Load the tensors of a weights file into a dense network. Their names and shapes must be those of the network.

    If the file holds more than the tensors of the network, the log says which tensors were loaded.

    Args:
        network: The dense network.
        path: A safetensors file, or a file that ``torch.save`` wrote. It holds a state dict, at the top or under any
            key. A prefix that all names share, such as ``module.``, is removed. Counters between the weights are left
            out.
        key: The key in the file, with dots between nested keys, or the prefix of the names. It is needed if the file
            holds several state dicts of this network.

    Raises:
        WeightsError: The file has neither format, or its tensors do not fit the network.
    """
    own = network.state_dict()
    choice = choose(_read(path), own, path, key)
    state = choice.taken.state
    require_plain(state, path)
    # Only a batch norm without momentum reads this counter. Many published files leave it out.
    state |= {n: t for n, t in own.items() if n.endswith("num_batches_tracked") and n not in state}
    place = f"{path}, {choice.taken}," if choice.taken.key else str(path)
    try:
        require_same_tensors(network, state, origin=place, shrunk=False)
    except WeightsError as error:
        raise WeightsError(error.message, remedy=_remedy(network, state) or error.remedy) from error
    require_finite(state, path, remedy="Use weights of a training that did not diverge.")
    if said := str(choice):
        _say_once(f"{path}: {said}")
    network.load_state_dict(state)


def weights_fingerprint(path: Path) -> str:
    """Return the SHA-256 of a weights file.

    Raises:
        WeightsError: The file cannot be read safely (see `require_readable`).
    """
    require_readable(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_finite(state: Mapping[str, Tensor], path: Path, *, remedy: str) -> None:
    """Refuse tensors with values that are not finite.

    Raises:
        WeightsError: A tensor has a value that is not finite. The message names the first such tensor.
    """
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise WeightsError(f"{path} holds values that are not finite, first in {name!r}.", remedy=remedy)


def require_readable(path: Path) -> None:
    """Refuse a weights file if to read it might never end, or would fill the memory.

    Raises:
        WeightsError: The path is a folder, a pipe, a device, an empty file, or a file larger than the free memory.
            Files of the system, such as in /proc, seem to be empty.
    """
    if path.exists() and not path.is_file():
        raise WeightsError(f"{path} is no file.", remedy="Name a file that holds weights.")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error}", remedy="Name a file that holds weights.") from error
    if not size:
        raise WeightsError(f"{path} is empty.", remedy="Name a file that holds weights.")
    if size > (free := available_memory()):
        raise WeightsError(
            f"{path} is {size / 2**30:,.1f} GiB large, and {free / 2**30:,.1f} GiB of memory are free.",
            remedy="Name a file that holds the weights of this network alone, or take a machine with more memory.",
        )


def _read(path: Path) -> object:
    """Return the content of a weights file: the tensors of a safetensors file by name, or a whole checkpoint of
    torch."""
    require_readable(path)
    try:
        with path.open("rb") as file:
            if file.read(9)[8:] == b"{":  # safetensors: the length of the header, then the header, which is JSON
                return load_file(path)
            file.seek(0)
            return load_checkpoint(file, path)
    except WeightsError:
        raise
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: {error}", remedy=CONVERT) from error
    except Exception as error:  # torch.load raises many kinds of errors for files that torch.save did not write
        code = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        raise WeightsError(
            f"{path} holds more than tensors: it asks for {code[1]}, and nothing in a weights file is executed."
            if code
            else f"{path} is neither a whole file of safetensors nor a PyTorch state dict.",
            remedy=CONVERT if code else f"Copy or download it again if it should be one. Otherwise: {CONVERT}",
        ) from error


def require_plain(state: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors that are not plain arrays of numbers: nested tensors, quantised tensors, and float types of eight
    bits.

    Raises:
        WeightsError: A tensor is not a plain array. The message names it.
    """
    for name, tensor in state.items():
        kind = (
            "is a nested tensor"
            if tensor.is_nested
            else "is quantised"
            if tensor.is_quantized
            else f"holds numbers of the kind {str(tensor.dtype).removeprefix('torch.')}, which need scales to be read"
            if tensor.dtype not in _KINDS
            else f"is a {type(tensor).__name__}"
            if type(tensor) not in (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)
            else ""
        )
        if kind:
            raise WeightsError(
                f"{path} cannot be read: {name!r} {kind}.",
                remedy="Save the weights as plain tensors of 16 or 32 bits, with their scales applied.",
            )


def _remedy(network: nn.Module, state: Mapping[str, Tensor]) -> str:
    """Return the remedy for a weights file that only lacks buffers, or only has additional tensors; empty in other
    cases."""
    own = network.state_dict()
    missing, extra = own.keys() - state.keys(), state.keys() - own.keys()
    if any(state[name].shape != tensor.shape for name, tensor in own.items() if name in state):
        return ""
    if missing and not extra and missing <= {name for name, _ in network.named_buffers()}:
        return "Save network.state_dict(), which holds buffers, too, and not the parameters alone."
    if extra and not missing:
        return "If these tensors are no part of the network, save the file without them."
    return ""


@cache
def _say_once(text: str) -> None:
    """Log a line about a weights file only once in a process, although a run reads the file several times."""
    logger.info("{}", text)
