"""Imports timm even if the installed torchvision was not built for the installed torch."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch

_MISSING = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: list[torch.library.Library] = []


def timm() -> Any:
    """Import and return timm. It imports torchvision, whose compiled part may fail to load; timm does not call it."""
    try:
        import_module("torchvision")
    except RuntimeError:  # torchvision registers shapes for the operators that did not load: declare them
        _library.append(torch.library.Library("torchvision", "DEF"))  # type: ignore[no-untyped-call]
        for operator in _MISSING:
            _library[0].define(operator)  # type: ignore[no-untyped-call]
    return import_module("timm")
