from __future__ import annotations

from emopms.builtin.backbone.resnet_cifar import ResNetCifar
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.builtin.backbone.vgg_cifar import VggCifar
from emopms.testing import BackboneConformance


class TestResNetCifar(BackboneConformance):
    component = ResNetCifar(depth=8, width=4)


class TestSmallResNet(BackboneConformance):
    component = SmallResNet(widths=(4, 8), weights="weights.safetensors")
    input_shape = (1, 8, 8)


class TestVggCifar(BackboneConformance):
    component = VggCifar()
