"""What can be found wrong with a network by itself, before anything runs on data."""

from __future__ import annotations

import copy
import keyword
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from emopms.errors import NetworkError
from emopms.plugin_file import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

_CLOSE = 1e-3
"""Relative difference of scores up to which they count as the same: sums may be taken in another order."""


def require_usable(network: nn.Module, build: Callable[[], nn.Module], example: Tensor) -> None:
    """Refuse a network that cannot be pruned and loaded again, whatever its weights and split points.

    Args:
        network: The network; it is left as it is.
        build: Builds such a network anew, with weights from the generators of random numbers.
        example: A batch of images [N, C, H, W].

    Raises:
        NetworkError: See `require_names`, `require_scores` and `require_saved_state`.
    """
    require_names(network)
    require_scores(network, example)
    require_saved_state(build, example)


def require_scores(network: nn.Module, example: Tensor) -> None:
    """Refuse a network that gives something else than one tensor, in evaluation mode or in training mode.

    Args:
        network: The network; it is left as it is.
        example: A batch of images [N, C, H, W].

    Raises:
        NetworkError: It gives a mapping or several values, or its forward fails.
    """
    for mode, training in (("evaluation", False), ("training", True)):
        scores = _forward(_copied(network), example, training=training)
        if not isinstance(scores, torch.Tensor):
            only = " (in evaluation mode it gives a tensor)" if training else ""
            raise NetworkError(
                f"In {mode} mode {type(network).__name__} gives {_described(scores)}{only}: a network must give one "
                "tensor of scores.",
                remedy="Switch the auxiliary output off, or return the main output alone."
                if training
                else f"Let the factory return a module whose forward returns {_main(scores)} of what this one gives.",
            )


def require_names(network: nn.Module) -> None:
    """Refuse names that torch.fx cannot write into the code that it makes of a network.

    Raises:
        NetworkError: A module, parameter or buffer is called like a keyword of Python.
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
    """Refuse a network that computes with numbers that are drawn when it is built and that its state dict lacks.

    Who loads a pruned network builds the dense one again, and gets other numbers. The network is built twice with
    different seeds; with the same state dict, both must give the same scores.

    Args:
        build: Builds the network. The states of all random generators are as before afterwards.
        example: A batch of images [N, C, H, W].

    Raises:
        NetworkError: They do not. It names the first tensor that differs.
    """
    first, second = (_built(build, seed) for seed in (1, 2))
    state, other = first.state_dict(), second.state_dict()
    if {name: tensor.shape for name, tensor in state.items()} != {name: t.shape for name, t in other.items()}:
        raise NetworkError(
            f"{type(first).__name__} has other layers each time that it is built: their names or sizes are drawn.",
            remedy="Seed what its factory draws, or write down the sizes.",
        )
    second.load_state_dict(state)
    scores, others = (_forward(network, example, training=False) for network in (first, second))
    again = _forward(first, example, training=False, seed=1)
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


def _forward(network: nn.Module, example: Tensor, *, training: bool, seed: int = 0) -> Any:
    """What a network gives for a batch. The state of torch's generator is as before afterwards."""
    mode = "training" if training else "evaluation"
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return network.train(training)(example)
    except Exception as error:  # whatever a forward raises
        raise NetworkError(
            f"In {mode} mode the forward of {type(network).__name__} fails on images {list(example.shape)}: "
            f"{reason(error)}",
            remedy="Let the network take images of the size that the data have, or set the data's `size`.",
        ) from error


def _copied(network: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(network)
    except Exception as error:  # whatever an attribute raises that cannot be copied
        raise NetworkError(
            f"{type(network).__name__} cannot be copied: {reason(error)}",
            remedy="Keep nothing in the network that copy.deepcopy cannot copy, such as a tensor that was computed "
            "with gradients, an open file or a lock.",
        ) from error


def _built(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The network, built with this seed of all random generators. A network handed out twice is copied."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)
            return _copied(build())
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _unsaved(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Tensors that the modules hold and the state dict lacks, by their paths."""
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
    """Whether two outputs are the same but for rounding. Outputs that are no tensors are for others to refuse."""
    if not (isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)):
        return True
    if one.shape != other.shape:
        return False
    scale = float(one.abs().max()) if one.numel() else 0.0
    return torch.allclose(one, other, rtol=_CLOSE, atol=_CLOSE * scale, equal_nan=True)


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _described(scores: object) -> str:
    """What a network gives, in words."""
    if isinstance(scores, dict):
        return f"a mapping with the keys {', '.join(map(repr, scores))}"
    if isinstance(scores, tuple | list):
        return f"a {type(scores).__name__} of {len(scores)} values"
    return f"a {type(scores).__name__}"


def _main(scores: object) -> str:
    """How the main output is taken out of what a network gives."""
    if isinstance(scores, dict) and scores:
        key = next((key for key in ("logits", "out", "scores") if key in scores), next(iter(scores)))
        return f"[{key!r}]"
    return "the first value, [0]," if isinstance(scores, tuple | list) else "the scores alone"
