"""Loading an exported model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from emopms import registry
from emopms.errors import WeightsError
from emopms.network.surgery import fit_to

if TYPE_CHECKING:
    from os import PathLike

    from torch import nn


def load(path: str | PathLike[str]) -> nn.Module:
    """Load a pruned network from a model folder that a run wrote, on the CPU and in eval mode.

    Reads ``architecture.json`` and ``model.safetensors``; nothing in them is executed.

    Raises:
        WeightsError: The folder does not hold a model of this format.
        PluginError: Its backbone comes from a distribution that is not installed.
    """
    folder = Path(path)
    try:
        architecture: dict[str, Any] = json.loads((folder / "architecture.json").read_text(encoding="utf-8"))
        if architecture["format"] != 1:
            raise WeightsError(
                f"{folder} is a model of format {architecture['format']!r}; this version of emopms reads format 1.",
                remedy="Use the emopms version named in its architecture.json.",
            )
        backbone = registry.find("backbone", architecture["backbone"]["name"]).model_validate(architecture["backbone"])
        shape, classes = tuple(architecture["input"]["shape"]), len(architecture["classes"])
        state = load_file(folder / "model.safetensors")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise WeightsError(
            f"{folder} does not hold a model: {type(error).__name__}: {error}",
            remedy="Name a folder models/<target> that `emopms run` wrote.",
        ) from error
    network: nn.Module = backbone.build(input_shape=shape, classes=classes)
    fit_to(network, state)
    return network.eval()
