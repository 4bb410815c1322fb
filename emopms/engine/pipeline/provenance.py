"""The software and hardware that made a result."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from emopms.network.runtime.device import Device

_PACKAGES = ("emopms", "torch", "numpy", "pymoo", "moocore", "pydantic", "safetensors")


def provenance(device: Device) -> dict[str, Any]:
    """Return, as JSON, the device and the number of threads that this process uses, its platform, and versions of
    software."""
    return {
        "device": str(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {package: version(package) for package in _PACKAGES},
    }
