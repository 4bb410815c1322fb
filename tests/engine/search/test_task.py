"""What searches work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from emopms.api import Images
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.builtin.data.digits import Digits
from emopms.engine.images.image_sets import ImageSet
from emopms.engine.search.task import make_task
from emopms.network.criteria import FeatureDistance
from emopms.network.partition.divided_network import divide_network
from emopms.network.partition.subnetwork import SubNetwork
from emopms.network.runtime.device import Device

if TYPE_CHECKING:
    import pytest

    from emopms.network.partition.divided_network import DividedNetwork

CPU = Device("cpu")


def network() -> DividedNetwork:
    torch.manual_seed(0)
    dense = SmallResNet(widths=(4, 4, 8)).build(input_shape=(1, 8, 8), classes=3).eval()
    return divide_network(dense, ["stage1", "stage2"], torch.zeros(2, 1, 8, 8))


def images(count: int) -> ImageSet:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
    return ImageSet(Images(pixels, rng.integers(0, 3, count)), Digits(), CPU)


def test_tasks_begin_where_the_part_before_them_ends() -> None:
    divided, criteria = network(), nn.ModuleList([FeatureDistance() for _ in range(3)])
    known = None
    for sub in divided.parts:
        alone = make_task(images(700), divided, sub, criteria, CPU)
        task = make_task(images(700), divided, sub, criteria, CPU, entering_features=known)
        for own, expected in ((task.inputs, alone.inputs), (task.references, alone.references)):
            assert torch.equal(own, expected)
            assert own.stride() == expected.stride(), "the same kernels run on it"
        assert known is None or task.inputs is known, "it is not held twice"
        known = task.references


def test_what_is_too_much_for_the_memory_is_made_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    divided, criteria = network(), nn.ModuleList([FeatureDistance() for _ in range(3)])
    expected = make_task(images(40), divided, divided.parts[1], criteria, CPU)
    forward = SubNetwork.forward

    def limited(self: SubNetwork, inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs) > 16:
            raise MemoryError
        return forward(self, inputs)

    monkeypatch.setattr(SubNetwork, "forward", limited)
    task = make_task(images(40), divided, divided.parts[1], criteria, CPU)
    torch.testing.assert_close(task.inputs, expected.inputs)
    torch.testing.assert_close(task.references, expected.references)
