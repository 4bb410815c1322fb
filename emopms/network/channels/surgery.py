"""Makes the layers of a network narrower. The modules keep their classes, and no masks or wrappers are added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from emopms.errors import WeightsError
from emopms.network.channels.slicing import slice_tensors
from emopms.network.channels.table import joined
from emopms.network.layers.attributes import sync_sizes
from emopms.network.layers.shared_tensors import names_by_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from emopms.network.channels.table import Channels


def pruned_state(network: nn.Module, cuts: Iterable[tuple[Channels, NDArray[np.bool_]]]) -> dict[str, Tensor]:
    """Return a copy of the network's state dict without the channels that genomes drop.

    Args:
        network: The dense network. It is not changed.
        cuts: For each sub-network, its channel table and the genome [genes] that prunes it.
    """
    tables, genomes = zip(*cuts, strict=True)
    dense = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    state = slice_tensors(dense, joined(tables), np.concatenate(genomes))
    names = names_by_tensor(network.state_dict(keep_vars=True).items())
    for same in names.values():  # a tensor with several names may have been cut under only one of its names
        smallest = min((state[name] for name in same), key=Tensor.numel)
        state |= dict.fromkeys(same, smallest)
    return {name: tensor.clone() for name, tensor in state.items()}


def kept_indices(network: nn.Module, channels: Channels, genome: NDArray[np.bool_]) -> dict[str, dict[int, list[int]]]:
    """Return which indices `pruned_state` keeps, for each tensor and each of its dimensions that loses some.

    Args:
        network: The dense network.
        channels: The channel table of the whole network.
        genome: The genome [genes] that prunes it.
    """
    stays = np.append(genome, True)  # the last entry is for gene -1, which is always kept
    found: dict[str, dict[int, list[int]]] = {}
    for same in names_by_tensor(network.state_dict(keep_vars=True).items()).values():
        dims = next((channels.dims[name] for name in same if name in channels.dims), {})
        kept = {dim: np.flatnonzero(stays[genes]).tolist() for dim, genes in dims.items() if not stays[genes].all()}
        found |= dict.fromkeys(same, kept) if kept else {}
    return found


def fit_to(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Shrink the layers of a dense network in place to the shapes in ``state``, and load ``state`` into it.

    Every pruned network is made by this function, both right after the pruning and when it is read from disk.

    Args:
        network: The dense network.
        state: State dict of the pruned network, such as `pruned_state` returns.

    Raises:
        WeightsError: The state has other tensors than the network, or larger tensors.
    """
    require_same_tensors(network, state, origin="the pruned state", shrunk=True)
    successors: dict[Tensor, Tensor] = {}  # a tensor that is shared under several names stays shared
    for path, module in network.named_modules():
        prefix = f"{path}." if path else ""
        for name, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            wanted = state[prefix + name]
            if parameter.shape != wanted.shape:
                empty = torch.empty(wanted.shape, dtype=parameter.dtype, device=parameter.device)
                new = nn.Parameter(empty, requires_grad=parameter.requires_grad)
                setattr(module, name, successors.setdefault(parameter, new))
        for name, buffer in list(module.named_buffers(recurse=False, remove_duplicate=False)):
            wanted = state.get(prefix + name, buffer)
            if buffer.shape != wanted.shape:
                empty = torch.empty(wanted.shape, dtype=buffer.dtype, device=buffer.device)
                module.register_buffer(name, successors.setdefault(buffer, empty))
    sync_sizes(network)
    network.load_state_dict(state)


def require_same_tensors(network: nn.Module, state: Mapping[str, Tensor], *, origin: str, shrunk: bool) -> None:
    """Check that a state dict has the same tensors as a network.

    Args:
        network: The network.
        state: Tensors by name.
        origin: The source of the state, for the message.
        shrunk: Whether a tensor may be smaller than the network's tensor of the same name.

    Raises:
        WeightsError: The state has other tensors or shapes. The message lists the first differences of each kind.
    """
    own = network.state_dict()
    differences = [
        [f"missing: {name}" for name in own if name not in state],
        [f"not in the network: {name}" for name in state if name not in own],
        [
            f"shape of {name}: {tuple(state[name].shape)}, in the network {tuple(tensor.shape)}"
            for name, tensor in own.items()
            if name in state and not _fits(tensor, state[name], shrunk=shrunk)
        ],
        [
            f"kind of {name}: {_kind(state[name])}, in the network {_kind(tensor)}"
            for name, tensor in own.items()
            if name in state and tensor.is_floating_point() and _kind(state[name]) != _kind(tensor)
        ],  # not checked for counters, which many files store in the format of the weights
    ]
    if any(differences):
        shown = [
            line for kind in differences for line in (*kind[:5], *([f"… and {len(kind) - 5} more"] * (len(kind) > 5)))
        ]
        listed = "\n".join(f"  {line}" for line in shown)
        raise WeightsError(
            f"{origin} does not fit the network {type(network).__name__}:\n{listed}",
            remedy="Use weights of this very architecture, with its parameter names and number of classes.",
        )


def _kind(tensor: Tensor) -> str:
    """Return the kind of a tensor's numbers, such as ``real numbers``. PyTorch converts kinds without an error."""
    numbers = "complex" if tensor.is_complex() else "real" if tensor.is_floating_point() else "whole"
    return f"{numbers} numbers, {tensor.layout}".removesuffix(", torch.strided") + ", without data" * tensor.is_meta


def _fits(dense: Tensor, given: Tensor, *, shrunk: bool) -> bool:
    """Return whether ``given`` has the shape of ``dense`` or, if ``shrunk`` is set, a shape with smaller sizes."""
    if not shrunk or dense.dim() != given.dim():
        return dense.shape == given.shape
    return all(0 < small <= large for small, large in zip(given.shape, dense.shape, strict=True))
