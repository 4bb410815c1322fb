"""Loads an exported model."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import Module

from emopms import registry
from emopms.api.own_network import make_ready
from emopms.engine.models.allocation_limit import AllocationLimit
from emopms.engine.models.architecture import read_architecture, regular
from emopms.engine.models.nearby import models_near
from emopms.engine.models.weights import require_finite, require_plain, require_readable
from emopms.engine.support.component_calls import guarded_call
from emopms.engine.support.library_log import quiet_default_sink
from emopms.engine.support.seeds import seeded_globals
from emopms.errors import PluginError, WeightsError
from emopms.network.channels.surgery import fit_to
from emopms.network.runtime.free_memory import available_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from emopms.api import Backbone
    from emopms.engine.models.architecture import Architecture

WEIGHTS = "model.safetensors"
"""The file that holds a model's weights."""
_GROWTH = 1000
"""Maximum size of a dense network, as a multiple of the size of the pruned network."""
_ALWAYS = 256 * 2**20
"""Bytes that a dense network may always take, even if the pruned network is more than `_GROWTH` times smaller."""
_PARTS = 10
"""Maximum number of tensors, and of modules, that are made to build a dense network, for each tensor of the pruned
network. Pruning removes channels, but no layers."""
_FEW_PARTS = 1000
"""Number of tensors, and of modules, that a dense network may always have, even if the pruned network has far fewer
tensors."""
_MESSAGE = 500
"""Maximum number of characters that are shown of an error message of another library."""


def load(
    path: str | PathLike[str],
    *,
    plugins: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    network: nn.Module | None = None,
) -> nn.Module:
    """Load a pruned network from a model folder that a run wrote, on the CPU and in eval mode.

    It reads ``architecture.json`` and ``model.safetensors``. Nothing in these files is executed. Of the code that they
    name, only installed backbones are imported.

    Args:
        path: The model folder.
        plugins: The Python file or files that define the backbone, if the spec named such files. They are executed.
        network: The dense network, if the spec named a function that makes it (backbone ``module``). The network is
            pruned in place and returned, without wrappers such as DataParallel.

    Raises:
        WeightsError: The folder does not hold a model of this format, the weights changed since the export, the weights
            are not finite, or they do not fit ``network``. A network with the same tensors that computes something
            else is not noticed. Also raised if the dense network that the
            model describes does not fit into memory, is more than a thousand times as large as the model, or has many
            more layers than the model.
        PluginError: The backbone is neither installed nor defined in ``plugins``, or the spec named a function that
            makes the network and ``network`` is not given.
        NetworkError: ``network`` has a property that pruning does not support (see
            `emopms.api.own_network.make_ready`).
        ComponentError: The backbone cannot build a network for images of the model's input shape.
        TypeError: ``network`` is no module.
    """
    quiet_default_sink()
    if network is not None and not isinstance(network, Module):
        raise TypeError(
            f"expected a torch.nn.Module as `network`, got {network!r}; "
            "if this makes the network, call it: network=make()"
        )
    folder = Path(path)
    try:
        description = read_architecture(folder)
        files = [plugins] if isinstance(plugins, str | PathLike) else plugins
        backbone = _backbone(description.backbone.model_dump(), files) if network is None else None
        file = regular(folder / WEIGHTS)
        require_readable(file)
        _require_unchanged(file, description)
        state = load_file(file)
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise WeightsError(
            f"{folder} does not hold a model: {_short(error)}." if folder.exists() else f"There is no folder {folder}.",
            remedy=f"Name a folder models/<target> that `emopms run` wrote. {models_near(folder)}".rstrip(),
        ) from error
    require_plain(state, file)
    require_finite(state, file, remedy="Copy or download the model again, or export it again.")
    if network is None:
        assert backbone is not None
        network = _dense(backbone, description, state, folder)
    else:
        network = make_ready(network, input_shape=tuple(description.input.shape))
    fit_to(network, state)
    return network.eval()


def _dense(backbone: Backbone, description: Architecture, state: Mapping[str, Tensor], folder: Path) -> nn.Module:
    """Build the dense network that ``architecture.json`` describes, within limits: a wrong file could ask for any
    size."""
    held = sum(tensor.nbytes for tensor in state.values())
    most = min(max(_ALWAYS, _GROWTH * held), available_memory())
    refusal = WeightsError(
        f"{folder} asks for a dense network of more than {most // 2**20} MiB, and its weights are {held:,} bytes.",
        remedy="If you trust it, make that network yourself: load(…, network=make()).",
    )
    parts = _FEW_PARTS + _PARTS * len(state)
    too_many = WeightsError(
        f"{folder} asks for a dense network of more than {parts:,} layers and tensors, and its weights are "
        f"{len(state):,} tensors.",
        remedy="Copy or download the model again: its architecture.json belongs to other weights.",
    )
    limit = AllocationLimit(most, refusal, most_parts=parts, too_many=too_many)
    with limit, seeded_globals(0), guarded_call(backbone, "build its network"):
        return backbone.build(input_shape=tuple(description.input.shape), classes=len(description.classes))


def _require_unchanged(file: Path, description: Architecture) -> None:
    """Compare the checksum of the weights file with the checksum in ``architecture.json``, if there is one.

    Raises:
        WeightsError: The checksums differ.
    """
    expected = description.sha256.get(file.name)
    if expected is None:
        return
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != expected:
        raise WeightsError(
            f"{file} is not the file that was exported: its checksum is {found[:12]}…, and architecture.json says "
            f"{expected[:12]}….",
            remedy="Copy or download the model again, or export it again.",
        )


def _backbone(settings: Mapping[str, Any], plugins: Sequence[str | PathLike[str]]) -> Backbone:
    """Return the backbone that the settings in ``architecture.json`` name. It is installed, or a plugin file defines
    it.

    Raises:
        PluginError: The backbone is not found, or its settings name code that it would call.
    """
    settings = {key: value for key, value in settings.items() if key not in ("weights", "weights_key")}
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
    """Return the type and message of an error, shortened. If it lists several validation errors, return only the first
    of them. The type of an error of the operating system says nothing more, and is left out."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, OSError):
        return (error.strerror or str(error))[:_MESSAGE]
    return f"{type(error).__name__}: {error}"[:_MESSAGE]
