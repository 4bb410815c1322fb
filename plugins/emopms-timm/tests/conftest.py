"""Makes timm importable if the compiled part of torchvision was not built for the installed torch."""

from __future__ import annotations

from importlib import import_module

import torch

try:
    import_module("torchvision")
except RuntimeError:  # torchvision registers shapes for operators that are missing; timm calls none of them
    _library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for _operator in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ):
        _library.define(_operator)  # type: ignore[no-untyped-call]
