"""The networks of the compatibility table: this project's own, and at least one per family of timm."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from benchmarks.timm_models import timm
from emopms import registry
from emopms.network.layers.batchnorm import recalibrate

if TYPE_CHECKING:
    from torch import Tensor

    from emopms.api import Backbone

SEED = 0
"""Seed of weights and images."""


@dataclass(frozen=True)
class Network:
    """One network of the table."""

    name: str
    size: int
    """Height and width of an image, in pixels."""
    classes: int = 1000
    backbone: dict[str, Any] = field(default_factory=dict)
    """Settings of the backbone, as in a spec. If empty, it is timm's model with this name."""

    def build(self, seed: int) -> nn.Module:
        """Build the network in eval mode, with random weights that all affect the scores (see `disturb`)."""
        settings = self.backbone or {"name": "timm", "model": self.name}
        if settings["name"] == "timm":
            timm()  # the plugin's own import would fail if torchvision does not match torch
        component: Backbone = registry.find("backbone", settings["name"])(**settings)
        torch.manual_seed(seed)
        network = component.build(input_shape=(3, self.size, self.size), classes=self.classes)
        disturb(network, self.images(8))
        return network

    def images(self, count: int, seed: int = SEED) -> Tensor:
        """Return random images [N, 3, H, W]."""
        return torch.randn(count, 3, self.size, self.size, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def disturb(network: nn.Module, images: Tensor) -> None:
    """Change parameters so that every tensor affects the scores. The network is in eval mode afterwards.

    New networks hide errors of pruning: batch norm is the identity, biases are zero, and layer scales almost switch
    blocks off. So noise is added to constant parameters and to running statistics that are estimated on the images.
    """
    for parameter in network.parameters():
        if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
            parameter.add_(torch.rand_like(parameter) - 0.5)
    recalibrate(network, [images])
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            mean, variance = module.running_mean, module.running_var
            assert mean is not None
            assert variance is not None
            mean.add_((torch.rand_like(mean) - 0.5) * variance.sqrt())
            variance.mul_(torch.rand_like(variance) + 0.5)


NETWORKS = (
    Network("ResNet-20", 32, 10, {"name": "resnet_cifar", "depth": 20}),
    Network("ResNet-56", 32, 10, {"name": "resnet_cifar", "depth": 56}),
    Network("VGG-16-BN", 32, 10, {"name": "vgg_cifar"}),
    Network("MobileNetV2", 32, 10, {"name": "mobilenetv2_cifar"}),
    Network("DenseNet-40", 32, 10, {"name": "densenet_cifar", "depth": 40}),
    Network("ResNet-18", 224, 1000, {"name": "resnet", "depth": 18}),
    Network("ResNet-34", 224, 1000, {"name": "resnet", "depth": 34}),
    Network("ResNet-50", 224, 1000, {"name": "resnet", "depth": 50}),
    Network("resnet26d", 96),
    Network("resnetv2_50", 96),
    Network("seresnet18", 96),
    Network("resnext50_32x4d", 96),
    Network("res2net50_26w_4s", 96),
    Network("regnetx_002", 128),
    Network("regnety_002", 128),
    Network("repvgg_a0", 96),
    Network("vovnet39a", 64),
    Network("inception_v3", 128),
    Network("densenet121", 96),
    Network("dla34", 96),
    Network("hrnet_w18_small", 96),
    Network("cspresnet50", 96),
    Network("mobilenetv2_100", 128),
    Network("mobilenetv3_small_100", 128),
    Network("mobilenetv3_large_100", 128),
    Network("mobilenetv4_conv_small", 128),
    Network("mnasnet_small", 128),
    Network("ghostnet_100", 128),
    Network("efficientnet_b0", 128),
    Network("tf_efficientnetv2_b0", 128),
    Network("convnext_atto", 96),
    Network("convnextv2_atto", 96),
    Network("poolformer_s12", 96),
    Network("mixer_s32_224", 224),
    Network("resmlp_12_224", 96),
    Network("vit_tiny_patch16_224", 128),
    Network("deit_tiny_distilled_patch16_224", 128),
    Network("swin_tiny_patch4_window7_224", 112),
    Network("botnet26t_256", 128),
    Network("nf_resnet26", 96),
)
