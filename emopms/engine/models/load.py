"""Loading an exported model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file

from emopms import registry
from emopms.engine.models.allocation_limit import AllocationLimit
from emopms.engine.models.architecture import read_architecture, regular
from emopms.engine.support.component_calls import guarded_call
from emopms.errors import PluginError, WeightsError
from emopms.network.channels.surgery import fit_to
from emopms.network.runtime.free_memory import available_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from torch import Tensor, nn

    from emopms.api import Backbone
    from emopms.engine.models.architecture import Architecture

_GROWTH = 1000
"""A dense network may be so many times as large as what was left of it."""
_ALWAYS = 256 * 2**20
"""Bytes that it may take in any case: of a network this small, little more than nothing may be left."""
_MESSAGE = 500
"""Characters of another library's error that are shown."""


def load(
    path: str | PathLike[str],
    *,
    plugins: Sequence[str | PathLike[str]] = (),
    network: nn.Module | None = None,
) -> nn.Module:
    """Load a pruned network from a model folder that a run wrote, on the CPU and in eval mode.

    Reads ``architecture.json`` and ``model.safetensors``; nothing in them is executed, and no code that they name is
    imported, but that of installed backbones.

    Args:
        path: The folder.
        plugins: Python files that define its backbone, where the spec named such files; they are run.
        network: The dense network, where the spec named a function that makes it (backbone ``module``); it is cut
            down in place and returned.

    Raises:
        WeightsError: The folder does not hold a model of this format, the model is not one of ``network``, or it was
            pruned, as it says, from a network that does not fit into memory or is a thousand times as large.
        PluginError: Its backbone is neither installed nor in the files, or it is up to you to make the network.
        ComponentError: Its backbone cannot build a network for these images.
    """
    folder = Path(path)
    try:
        description = read_architecture(folder)
        backbone = _backbone(description.backbone.model_dump(), plugins) if network is None else None
        state = load_file(regular(folder / "model.safetensors"))
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise WeightsError(
            f"{folder} does not hold a model: {type(error).__name__}: {_short(error)}",
            remedy="Name a folder models/<target> that `emopms run` wrote.",
        ) from error
    if network is None:
        assert backbone is not None
        network = _dense(backbone, description, state, folder)
    fit_to(network, state)
    return network.eval()


def _dense(backbone: Backbone, description: Architecture, state: Mapping[str, Tensor], folder: Path) -> nn.Module:
    """The network that the description asks for: a few numbers in it could ask for any size."""
    held = sum(tensor.nbytes for tensor in state.values())
    most = min(max(_ALWAYS, _GROWTH * held), available_memory())
    refusal = WeightsError(
        f"{folder} asks for a dense network of more than {most // 2**20} MiB, and its weights are {held:,} bytes.",
        remedy="If you trust it, make that network yourself: load(…, network=make()).",
    )
    with AllocationLimit(most, refusal), guarded_call(backbone, "build its network"):
        return backbone.build(input_shape=tuple(description.input.shape), classes=len(description.classes))


def _backbone(settings: Mapping[str, Any], plugins: Sequence[str | PathLike[str]]) -> Backbone:
    """An installed backbone or one in the files, unless it would call what the settings name."""
    files = [Path(file).absolute() for file in plugins]
    try:
        component: type[Backbone] = registry.find("backbone", settings["name"], files)
    except registry.UnknownComponentError as error:
        raise PluginError(
            f"The model needs the backbone {settings['name']!r}, which is not installed.",
            remedy="Install the distribution that brings it, or name the Python file: load(…, plugins=[…]).",
        ) from error
    if component.names_code:
        named = ", ".join(f"{key}: {value!r}" for key, value in settings.items() if value is not None)
        raise PluginError(
            f"The model was pruned from the network that the backbone {{{named}}} makes; "
            "no code that a model's files name is ever called.",
            remedy="Make that network yourself, if you trust the code: load(…, network=make()).",
        )
    return component.model_validate_json(json.dumps(settings, allow_nan=False))


def _short(error: Exception) -> str:
    """What it says; of all that is wrong with a description, the first."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)[:_MESSAGE]
