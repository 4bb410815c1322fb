"""The small network that the conformance suites use. It has batch norm, residual blocks and split points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emopms.api import Task
from emopms.network import (
    NO_LIMITS,
    ClassifierLoss,
    Device,
    FeatureDistance,
    SubNetwork,
    dense_tail,
    magnitude,
    subnetworks_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emopms.network import Limits

SHAPE = (3, 8, 8)
CLASSES = 4
POINTS = ("stage1", "stage2")
CPU = Device("cpu")


class TinyNetwork(nn.Module):
    """A network that maps images [N, 3, 8, 8] to class scores [N, 4].

    Its modules are ``stem``, ``stage1``, ``stage2``, ``stage3`` and ``head``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolution(SHAPE[0], 6)
        self.stage1 = _Residual(6)
        self.stage2 = nn.Sequential(_convolution(6, 8, stride=2), _Residual(8))
        self.stage3 = nn.Sequential(_convolution(8, 8, stride=2), _Residual(8))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.stage3(self.stage2(self.stage1(self.stem(x)))))
        return scores


@dataclass(frozen=True)
class Tiny:
    """A divided network, with the features that it computes for one batch of images."""

    network: nn.Module
    subnetworks: list[SubNetwork]
    references: list[Tensor]
    """Features f_0 … f_n: f_0 are the images, f_i are the features at split i, and f_n are the class scores."""
    labels: Tensor
    """The network's own predictions [N], so that the dense network has no errors."""
    device: Device

    def task(self, index: int) -> Task:
        """Return the search task of one sub-network. As in a run, no gradients are recorded for its tensors."""
        sub = self.subnetworks[index]
        with torch.inference_mode():
            inputs, references, labels = (
                t.clone() for t in (self.references[index], self.references[index + 1], self.labels)
            )
        criterion = ClassifierLoss() if sub.is_last else FeatureDistance()
        tail = dense_tail(self.subnetworks[index + 1 :])
        return Task(sub, inputs, references, labels, criterion.eval(), self.device, tail)


def tiny_network(seed: int = 0) -> nn.Module:
    """Build a `TinyNetwork` in eval mode. It is similar to a trained network, although it was not trained.

    Its batch norms have statistics. Its scores differ clearly between classes, and have mean 0 for each class.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TinyNetwork()
        pixels = images(256)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # take the plain average
        with torch.no_grad():
            network(pixels)
            network.eval()
            scores = network(pixels)
            last: nn.Linear = network.head[-1]  # type: ignore[assignment]
            scale = 3 / scores.std(dim=0)
            last.weight.mul_(scale[:, None])
            last.bias.copy_((last.bias - scores.mean(dim=0)) * scale)
    return network


def images(count: int = 32) -> Tensor:
    """Return random images [count, 3, 8, 8]. Calls with equal arguments return equal images."""
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(0))


def tiny(points: Sequence[str] = POINTS, *, device: Device = CPU, limits: Limits = NO_LIMITS) -> Tiny:
    """Divide a `TinyNetwork` after ``points``, and compute its features in the number format of the device."""
    network, references = tiny_network().to(device.type), [images().to(device.type)]
    subnetworks = subnetworks_of(network, points, references[0], limits=limits)
    with torch.no_grad(), device.autocast():
        for sub in subnetworks:
            references.append(sub.forward(references[-1]))
    return Tiny(network, subnetworks, references, references[-1].argmax(dim=1), device)


def genomes_of(sub: SubNetwork, count: int, *, seed: int = 0) -> NDArray[np.bool_]:
    """Return distinct valid genomes [count, genes] of a sub-network. The first genome keeps all channels."""
    rng = np.random.default_rng(seed)
    found = {sub.dense.tobytes(): sub.dense}
    while len(found) < count:
        drawn = sub.repair(rng.random((1, sub.channels.genes)) < rng.uniform(0.2, 0.9), magnitude(sub))[0]
        found.setdefault(drawn.tobytes(), drawn)
    return np.stack(list(found.values()))


def devices() -> list[Device]:
    """Return the devices for tests: the CPU in fp32, in bf16 and in bf16 with int8, and CUDA if available."""
    on_cpu = [CPU, Device("cpu", bf16=True), Device("cpu", bf16=True, int8=True)]
    return [*on_cpu, *([Device("cuda")] if torch.cuda.is_available() else [])]


def _convolution(incoming: int, outgoing: int, *, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(incoming, outgoing, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outgoing), nn.ReLU())


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.second(self.first(x))))
