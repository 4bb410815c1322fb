"""Prepares a user's own network for pruning: removes wrappers and weight normalisation, and gives lazy layers sizes.

The network computes the same function before and after. A network that cannot be prepared in this way is refused. The
error then names the PyTorch call with which the user can prepare it.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING

from emopms.errors import NetworkError
from emopms.plugin_file import reason

if TYPE_CHECKING:
    from torch import nn


def make_ready(network: nn.Module, *, input_shape: tuple[int, ...]) -> nn.Module:
    """Unwrap a network, give its lazy layers their sizes, and fold weight normalisation into the weights.

    Args:
        network: The network. It is changed in place.
        input_shape: Shape [C, H, W] of one image.

    Returns:
        The network itself, or the network that was inside the wrapper.

    Raises:
        NetworkError: A part of the network is TorchScript, holds a pruning mask or has spectral normalisation as a
            hook, or the sizes of a lazy layer cannot be found.
    """
    network = _unwrapped(network)
    for path, module in network.named_modules():
        _require_plain(module, path)
    _give_sizes(network, input_shape)
    folded = [path for path, module in network.named_modules() if _fold_weight_norm(module)]
    if folded:
        _say_once(f"Weight normalisation was folded into the weights of {len(folded)} layers, first {folded[0]!r}.")
    for path, module in network.named_modules():
        for name in _parametrized(module, by_weight_norm=False):
            _say_once(
                f"The {name} of {path or 'the network'!r} is computed by a parametrization in every forward, so the "
                "layer may not be pruned. torch.nn.utils.parametrize.remove_parametrizations(module, "
                f"{name!r}) in the factory makes it a plain one."
            )
    return network


def copied(network: nn.Module) -> nn.Module:
    """Return a deep copy of a network that shares nothing with it.

    ``copy.deepcopy`` alone shares the classes that torch makes for modules with parametrizations: to remove a
    parametrization of the copy would then break the network. And it refuses tensors that a forward pass has computed,
    such as a weight under ``torch.nn.utils.weight_norm``.
    """
    from torch import Tensor

    computed = [
        (module, name, value)
        for module in network.modules()
        for name, value in vars(module).items()
        if isinstance(value, Tensor) and not value.is_leaf
    ]
    try:
        for module, name, value in computed:
            vars(module)[name] = value.detach().clone()
        made = copy.deepcopy(network)
    finally:
        for module, name, value in computed:
            vars(module)[name] = value
    for module in made.modules():
        if "parametrizations" in module._modules:
            kind = type(module)
            module.__class__ = type(kind.__name__, kind.__bases__, dict(kind.__dict__))
    return made


def _unwrapped(network: nn.Module) -> nn.Module:
    """Replace wrappers by the modules inside them, around the network and anywhere in it.

    These are the wrappers for several devices and for compilation.
    """
    from torch import nn

    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)

    def inner(module: nn.Module) -> nn.Module:
        while isinstance(module, wrappers) or type(module).__name__ == "OptimizedModule":
            module = module._orig_mod if type(module).__name__ == "OptimizedModule" else module.module  # type: ignore[assignment]
        return module

    network = inner(network)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if inner(child) is not child:
                module.register_module(name, inner(child))
    return network


def _require_plain(module: nn.Module, path: str) -> None:
    """Raise an error for a TorchScript module, or for a module with a hook that computes its weight in every forward.

    Weight normalisation is accepted.
    """
    import torch
    from torch.nn.utils import prune
    from torch.nn.utils.spectral_norm import SpectralNorm

    where = f"The module {path!r}" if path else "The network"
    if isinstance(module, torch.jit.ScriptModule):
        raise NetworkError(
            f"{where} is TorchScript, and the layers of a scripted or traced module cannot be looked into.",
            remedy="Build it from its Python code, without torch.jit.script and torch.jit.trace.",
        )
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, prune.BasePruningMethod):
            name = hook._tensor_name
            raise NetworkError(
                f"{where} holds a mask of torch.nn.utils.prune for its {name}, which is applied in every forward.",
                remedy=f"Make it permanent in the factory: torch.nn.utils.prune.remove(module, {name!r}).",
            )
        if isinstance(hook, SpectralNorm):
            raise NetworkError(
                f"{where} has its {hook.name} normalised by torch.nn.utils.spectral_norm in every forward.",
                remedy=f"Remove that in the factory: torch.nn.utils.remove_spectral_norm(module, {hook.name!r}).",
            )


def _give_sizes(network: nn.Module, input_shape: tuple[int, ...]) -> None:
    """Run two random images through a network with lazy layers. PyTorch then sets the sizes of these layers."""
    import torch
    from torch.nn.parameter import is_lazy

    from emopms.network.layers.modes import in_eval

    def lazy() -> list[str]:
        tensors = [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]
        return [name for name, tensor in tensors if is_lazy(tensor)]

    if not lazy():
        return
    error: Exception | None = None
    try:
        with torch.no_grad(), in_eval(network):
            network(torch.randn(2, *input_shape, generator=torch.Generator().manual_seed(0)))
    except Exception as found:  # the network's forward may raise anything
        error = found
    if error is not None or lazy():
        what = f": {reason(error)}" if error else ", and the forward does not come by it"
        raise NetworkError(
            f"The network has lazy layers, first {lazy()[0].rpartition('.')[0]!r}, whose sizes could not be found with "
            f"images {list(input_shape)}{what}."
            if lazy()
            else f"The forward of the network fails on images {list(input_shape)}{what}.",
            remedy="Run one batch of images through the network in the factory, or give the layers their sizes.",
        ) from error


def _fold_weight_norm(module: nn.Module) -> bool:
    """Replace the two factors of each normalised weight by their product, and return whether there was one."""
    import warnings

    from torch.nn.utils import parametrize, remove_weight_norm
    from torch.nn.utils.weight_norm import WeightNorm

    hooks = [hook.name for hook in module._forward_pre_hooks.values() if isinstance(hook, WeightNorm)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the function torch.nn.utils.weight_norm is deprecated
        for name in hooks:
            remove_weight_norm(module, name)
    names = _parametrized(module)
    for name in names:
        parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    return bool(hooks or names)


def _parametrized(module: nn.Module, *, by_weight_norm: bool = True) -> list[str]:
    """Return the names of the tensors that a module computes by a parametrization.

    Args:
        module: The module.
        by_weight_norm: If True, return the tensors with weight normalisation and no other parametrization. If False,
            return the other tensors.
    """
    from torch import nn
    from torch.nn.utils import parametrizations

    steps = getattr(module, "parametrizations", None)
    if not isinstance(steps, nn.ModuleDict):
        return []
    plain = {name: all(isinstance(step, parametrizations._WeightNorm) for step in steps[name]) for name in steps}  # type: ignore[attr-defined]
    return [name for name, is_plain in plain.items() if is_plain == by_weight_norm]


@cache
def _say_once(text: str) -> None:
    """Log a line once per process, because a run builds its network many times."""
    from loguru import logger

    logger.info("{}", text)
