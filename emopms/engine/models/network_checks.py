"""Checks of a network that need no data and run before all stages."""

from __future__ import annotations

import copy
import keyword
from typing import TYPE_CHECKING

import torch

from emopms.engine.models.forward_pass import forward_pass
from emopms.engine.support.seeds import seeded_globals
from emopms.errors import NetworkError
from emopms.plugin_file import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

_CLOSE = 1e-3
"""Relative difference up to which two class scores of networks count as equal. Rounding differs if numbers are summed
in another order."""


def require_usable(network: nn.Module, build: Callable[[], nn.Module], example: Tensor) -> None:
    """Refuse a network that cannot be pruned or loaded again. The checks depend on no weights file and no split points.

    Args:
        network: The network; it is left as it is.
        build: Builds the same network again, with random weights.
        example: A batch of images [N, C, H, W].

    Raises:
        NetworkError: `require_names`, `require_scores`, `require_gradients` or `require_saved_state` refuses the
            network.
    """
    require_names(network)
    require_scores(network, example)
    require_gradients(network, example)
    require_saved_state(build, example)


def require_scores(network: nn.Module, example: Tensor) -> None:
    """Refuse a network that does not return exactly one tensor, in evaluation mode or in training mode.

    Args:
        network: The network; it is left as it is.
        example: A batch of images [N, C, H, W].

    Raises:
        NetworkError: The network returns a mapping or several values, or `forward_pass` refuses it.
    """
    for mode, training in (("evaluation", False), ("training", True)):
        scores = forward_pass(_copied(network), example, training=training)
        if not isinstance(scores, torch.Tensor):
            only = " (in evaluation mode it gives a tensor)" if training else ""
            raise NetworkError(
                f"In {mode} mode {type(network).__name__} gives {_described(scores)}{only}: a network must give one "
                "tensor of scores.",
                remedy="Switch the auxiliary output off, or return the main output alone."
                if training
                else f"Let the factory return a module whose forward returns {_main(scores)} of what this one gives.",
            )
        if not scores.is_floating_point():
            raise NetworkError(
                f"{type(network).__name__} gives scores of {scores.dtype}: scores must be real floating-point numbers.",
                remedy="Return the class scores before argmax, or the real part of complex ones.",
            )
        if not scores.isfinite().any():
            raise NetworkError(
                f"In {mode} mode {type(network).__name__} gives no finite score for images of noise.",
                remedy="Look for a division by zero, or a logarithm or root of negative numbers, in its forward.",
            )


def require_gradients(network: nn.Module, example: Tensor) -> None:
    """Refuse a network that cannot be trained: no gradient of its scores reaches a parameter.

    Args:
        network: The network; it is left as it is.
        example: A batch of images [N, C, H, W].

    Raises:
        NetworkError: All parameters are frozen, or the forward pass detaches the scores.
    """
    copied = _copied(network)
    if not any(parameter.requires_grad for parameter in copied.parameters()):
        raise NetworkError(
            f"All parameters of {type(network).__name__} are frozen: nothing of it can be trained.",
            remedy="Let the factory return it with network.requires_grad_(True).",
        )
    with torch.enable_grad(), seeded_globals(0):
        scores = copied.train()(example)
    if not scores.requires_grad:
        raise NetworkError(
            f"The scores of {type(network).__name__} carry no gradient: its forward detaches them.",
            remedy="Remove detach() and torch.no_grad() from its forward.",
        )


def require_names(network: nn.Module) -> None:
    """Refuse a network with names that torch.fx cannot write into the code that it generates for a network.

    Raises:
        NetworkError: The name of a module, parameter or buffer is a keyword of Python.
    """
    named = [path for path, _ in network.named_modules()]
    named += [path for path, _ in (*network.named_parameters(), *network.named_buffers())]
    for path in named:
        strange = [name for name in path.split(".") if keyword.iskeyword(name)]
        if strange:
            raise NetworkError(
                f"In {type(network).__name__} the module or tensor {path!r} has the name {strange[0]!r}, a keyword of "
                "Python: torch.fx cannot trace the network.",
                remedy=f"Give it another name, such as {strange[0].lower() + '_'!r}.",
            )


def require_saved_state(build: Callable[[], nn.Module], example: Tensor) -> None:
    """Refuse a network that computes with random numbers of its construction that are not in its state dict.

    To load a pruned network, the dense network is built again, and its construction would draw other random numbers.
    This check builds the network twice with different seeds. With the same state dict, both networks must give the same
    scores.

    Args:
        build: Builds the network. The check restores the states of all random generators.
        example: A batch of images [N, C, H, W].

    Raises:
        NetworkError: The scores differ. The message names the first tensor that differs, if it is known.
    """
    first, second = (_built(build, seed) for seed in (1, 2))
    state, other = first.state_dict(), second.state_dict()
    if {name: tensor.shape for name, tensor in state.items()} != {name: t.shape for name, t in other.items()}:
        raise NetworkError(
            f"{type(first).__name__} has other layers each time that it is built: their names or sizes are drawn.",
            remedy="Seed what its factory draws, or write down the sizes.",
        )
    second.load_state_dict(state)
    scores, others = (forward_pass(network, example, training=False) for network in (first, second))
    again = forward_pass(first, example, training=False, seed=1)
    if not _same(scores, again):
        raise NetworkError(
            f"In evaluation mode {type(first).__name__} gives other scores for the same images each time.",
            remedy="Let the forward draw random numbers in training mode only.",
        )
    if _same(scores, others):
        return
    hidden, theirs = dict(_unsaved(first)), dict(_unsaved(second))
    names = [name for name, tensor in hidden.items() if name not in theirs or not _equal(tensor, theirs[name])]
    if names:
        raise NetworkError(
            f"The forward of {type(first).__name__} reads {names[0]!r}, a tensor that is drawn when the network is "
            "built and that no weights file holds: the network cannot be loaded again.",
            remedy=f"Register it as a persistent buffer: self.register_buffer({names[0].rpartition('.')[2]!r}, …).",
        )
    raise NetworkError(
        f"{type(first).__name__} with the same weights gives other scores each time that it is built: it computes with "
        "numbers that are drawn when it is built and that no weights file holds.",
        remedy="Keep them in buffers (self.register_buffer), or seed what the factory draws.",
    )


def _copied(network: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(network)
    except Exception as error:  # an attribute that cannot be copied may raise any error
        raise NetworkError(
            f"{type(network).__name__} cannot be copied: {reason(error)}",
            remedy="Keep nothing in the network that copy.deepcopy cannot copy, such as a tensor that was computed "
            "with gradients, an open file or a lock.",
        ) from error


def _built(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Seed all random generators, build a network, and return a copy of it.

    A copy is returned because ``build`` may return the same network each time.
    """
    with seeded_globals(seed):
        return _copied(build())


def _unsaved(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield path and value of each tensor that is an attribute of a module in the network, but is not in its state
    dict."""
    saved = {id(tensor) for tensor in network.state_dict(keep_vars=True).values()}
    for path, module in network.named_modules():
        prefix = f"{path}." if path else ""
        for name, buffer in module.named_buffers(recurse=False):
            if id(buffer) not in saved:
                yield prefix + name, buffer
        for name, value in vars(module).items():
            values = (
                value if isinstance(value, list | tuple) else value.values() if isinstance(value, dict) else [value]
            )
            if not name.startswith("_"):
                yield from ((prefix + name, item) for item in values if isinstance(item, torch.Tensor))


def _same(one: object, other: object) -> bool:
    """Return whether the outputs of two networks are equal up to rounding. Outputs that are not tensors count as equal,
    because `require_scores` checks them."""
    if not (isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)):
        return True
    if one.shape != other.shape:
        return False
    finite = one[one.isfinite()]
    scale = float(finite.abs().max()) if finite.numel() else 0.0
    return torch.allclose(one, other, rtol=_CLOSE, atol=_CLOSE * scale, equal_nan=True)


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _described(scores: object) -> str:
    """Describe what a network returned, such as ``a tuple of 2 values``, for an error message."""
    if isinstance(scores, dict):
        return f"a mapping with the keys {', '.join(map(repr, scores))}"
    if isinstance(scores, tuple | list):
        return f"a {type(scores).__name__} of {len(scores)} values"
    return f"a {type(scores).__name__}"


def _main(scores: object) -> str:
    """Describe which of the values that a network returned are probably the class scores, for an error message."""
    if isinstance(scores, dict) and scores:
        key = next((key for key in ("logits", "out", "scores") if key in scores), next(iter(scores)))
        return f"[{key!r}]"
    return "the first value, [0]," if isinstance(scores, tuple | list) else "the scores alone"
