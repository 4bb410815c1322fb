from __future__ import annotations

from emopms.builtin.backbone.densenet_cifar import DenseNetCifar
from emopms.builtin.backbone.mobilenetv2_cifar import MobileNetV2Cifar
from emopms.builtin.backbone.module import Module
from emopms.builtin.backbone.resnet import ResNet
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


class TestMobileNetV2Cifar(BackboneConformance):
    component = MobileNetV2Cifar(width=0.25)
    input_shape = (3, 8, 8)


class TestDenseNetCifar(BackboneConformance):
    component = DenseNetCifar(depth=10, growth=4)
    input_shape = (3, 8, 8)


class TestResNet(BackboneConformance):
    component = ResNet(depth=18)


class TestModule(BackboneConformance):
    component = Module(factory="tests.builtin.backbone.factories:two_convolutions", args={"widths": [4, 6]})
    input_shape = (3, 8, 8)

    def test_maps_images_to_class_scores(self) -> None:
        """Its classes are those of the factory, whatever the data."""
        network = self._built(classes=self.classes + 1).eval()
        for count in (1, 3):
            assert network(self._images(count)).shape == (count, self.classes)
