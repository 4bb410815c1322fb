"""Loading an exported model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from emopms import registry
from emopms.errors import PluginError, WeightsError
from emopms.network.surgery import fit_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from torch import nn

    from emopms.api import Backbone


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
        WeightsError: The folder does not hold a model of this format, or the model is not one of ``network``.
        PluginError: Its backbone is neither installed nor in the files, or it is up to you to make the network.
    """
    folder = Path(path)
    try:
        architecture: dict[str, Any] = json.loads((folder / "architecture.json").read_text(encoding="utf-8"))
        if architecture["format"] != 1:
            raise WeightsError(
                f"{folder} is a model of format {architecture['format']!r}; this version of emopms reads format 1.",
                remedy="Use the emopms version named in its architecture.json.",
            )
        backbone = _backbone(architecture["backbone"], plugins) if network is None else None
        shape, classes = tuple(architecture["input"]["shape"]), len(architecture["classes"])
        state = load_file(folder / "model.safetensors")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise WeightsError(
            f"{folder} does not hold a model: {type(error).__name__}: {error}",
            remedy="Name a folder models/<target> that `emopms run` wrote.",
        ) from error
    if backbone is not None:
        network = backbone.build(input_shape=shape, classes=classes)
    assert network is not None
    fit_to(network, state)
    return network.eval()


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
    return component.model_validate_json(json.dumps(settings))
