"""Makes a trained CIFAR ResNet deeper without training, if no weights of the larger depth are available."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from emopms.builtin.nets.resnet import ResNetCifar


@torch.no_grad()
def deepened(network: ResNetCifar, depth: int) -> ResNetCifar:
    """Return a network of the given depth with nearly the same outputs.

    A residual block x + f(x) becomes n blocks x + f(x)/n with the same weights, like smaller steps in the solution of
    an ordinary differential equation (Chang et al. 2018, arXiv 1710.10348). The first block of a stage, which changes
    the shape, is not repeated.

    Args:
        network: A trained network of smaller depth.
        depth: The new depth, 6n + 2.
    """
    deeper = copy.deepcopy(network)
    blocks = (depth - 2) // 6
    for name in ("layer1", "layer2", "layer3"):
        first, *rest = getattr(deeper, name)
        origins = [index * len(rest) // (blocks - 1) for index in range(blocks - 1)]
        steps = [copy.deepcopy(rest[origin]) for origin in origins]
        for step, origin in zip(steps, origins, strict=True):
            for parameter in step.bn2.parameters():
                parameter /= origins.count(origin)
        setattr(deeper, name, nn.Sequential(first, *steps))
    return deeper
