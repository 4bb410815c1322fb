"""Describes the machine on which figures are measured."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from emopms.network.runtime.device import Device


def machine() -> dict[str, Any]:
    """Return processor, threads, device and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "threads": torch.get_num_threads(),
        "device": str(Device.choose("auto")),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
