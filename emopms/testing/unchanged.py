"""Checks that a component has not changed the objects that it was given."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


class Snapshot:
    """A copy of a network's tensors, and of its training modes and ``requires_grad`` flags."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._tensors = {name: tensor.detach().clone() for name, tensor in _tensors(network).items()}
        self._flags = _flags(network)

    def changes(self) -> str:
        """Return the changes since the snapshot, as text for an error message. The text is empty without changes."""
        now = _tensors(self._network)
        if now.keys() != self._tensors.keys():
            return f"its parameters and buffers {sorted(now.keys() ^ self._tensors.keys())}"
        moved = [name for name, tensor in self._tensors.items() if not _equal(now[name], tensor)]
        flags = [name for name, flag in _flags(self._network).items() if self._flags.get(name) != flag]
        return ", ".join([*moved, *flags])


@dataclass(frozen=True)
class Globals:
    """Global settings of torch, and the states of the global random generators of Python and numpy."""

    settings: tuple[object, ...]
    generators: tuple[object, ...]

    @classmethod
    def now(cls) -> Globals:
        name, key, *rest = np.random.get_state()
        return cls(
            settings=(
                torch.get_default_dtype(),
                torch.is_grad_enabled(),
                torch.is_inference_mode_enabled(),
                torch.are_deterministic_algorithms_enabled(),
                torch.get_num_threads(),
            ),
            generators=(random.getstate(), (name, np.asarray(key).tobytes(), *rest)),
        )


def _equal(now: Tensor, before: Tensor) -> bool:
    return now.shape == before.shape and now.dtype == before.dtype and torch.equal(now, before)


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _flags(network: nn.Module) -> dict[str, object]:
    modes: dict[str, object] = {f"mode of {name or 'the network'}": m.training for name, m in network.named_modules()}
    return modes | {f"requires_grad of {name}": p.requires_grad for name, p in network.named_parameters()}
