from __future__ import annotations

import pytest
import torch

from emopms.api import Task
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.network.criteria import ClassifierLoss
from emopms.network.partition.subnetwork import subnetworks_of
from emopms.network.runtime.device import Device


@pytest.fixture(scope="package")
def task() -> Task:
    """The search task of a small, undivided network with random weights, on 64 random images."""
    torch.manual_seed(0)
    network = SmallResNet(widths=(4, 8)).build(input_shape=(1, 8, 8), classes=3).eval()
    (sub,) = subnetworks_of(network, [], torch.zeros(2, 1, 8, 8))
    images = torch.randn(64, 1, 8, 8)
    with torch.inference_mode():
        references = network(images)
    labels = torch.randint(3, (64,))
    return Task(sub, images, references, labels, ClassifierLoss(), Device("cpu"), tail=lambda scores: scores)
