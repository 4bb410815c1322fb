"""Runs the forward pass of a network for the checks before all stages. If it fails, the error says why."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from emopms.engine.support.seeds import seeded_globals
from emopms.errors import NetworkError
from emopms.plugin_file import reason

if TYPE_CHECKING:
    from torch import Tensor, nn


def forward_pass(network: nn.Module, example: Tensor, *, training: bool, seed: int = 0) -> Any:
    """Return the output of a network for a batch. The states of the random generators are restored.

    Args:
        network: The network. It is left in the given mode.
        example: A batch of images [N, C, H, W].
        training: Whether the network runs in training mode.
        seed: Seed of the random generators during the forward pass.

    Raises:
        NetworkError: The forward pass fails, or it chooses number formats by autocast.
    """
    mode = "training" if training else "evaluation"
    chosen: list[str] = []

    def look(module: nn.Module, inputs: object) -> None:
        chosen.extend(device for device in ("cpu", "cuda") if torch.is_autocast_enabled(device))

    hooks = [module.register_forward_pre_hook(look) for module in network.modules()]
    try:
        with torch.no_grad(), seeded_globals(seed):
            scores = network.train(training)(example)
    except Exception as error:  # a forward pass may raise any error
        why, remedy = _cause(network, example) or (reason(error), _OTHER_SIZE)
        raise NetworkError(
            f"In {mode} mode the forward of {type(network).__name__} fails on images {list(example.shape)}: {why}",
            remedy=remedy,
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    if chosen:
        raise NetworkError(
            f"The forward of {type(network).__name__} chooses its number formats itself, by torch.autocast: the traced "
            "network could not do so, and would compute other scores.",
            remedy="Take torch.autocast out of its forward: emopms chooses the fastest format of the device.",
        )
    return scores


_OTHER_SIZE = "Let the network take images of the size that the data have, or set the data's `size`."


def _cause(network: nn.Module, example: Tensor) -> tuple[str, str] | None:
    """Return why no images of any size can pass through a network, and the remedy; None if that is not known."""
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.device != example.device:
            return (
                f"its tensor {name!r} is on the device {tensor.device}, and networks are checked on the CPU.",
                "Let the factory build it on the CPU, with values: without device= and torch.device(…).",
            )
    try:
        inspect.signature(network.forward).bind(example)
    except TypeError as error:
        return f"it does not take one tensor of images alone: {error}.", "Write it as forward(self, x)."
    except ValueError:  # a forward that is not written in Python
        pass
    return None
