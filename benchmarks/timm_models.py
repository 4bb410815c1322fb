"""timm, also where the installed torchvision was not built for the installed torch."""

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
    """The module ``timm``. It imports torchvision, whose compiled half may not load; timm calls nothing of it."""
    try:
        import_module("torchvision")
    except RuntimeError:  # torchvision registers shapes for operators of the half that did not load: declare them
        _library.append(torch.library.Library("torchvision", "DEF"))  # type: ignore[no-untyped-call]
        for operator in _MISSING:
            _library[0].define(operator)  # type: ignore[no-untyped-call]
    return import_module("timm")
