"""Computes how much each input channel of a layer contributes to the outputs of this layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.api import PruningTask


def contributions(task: PruningTask, *, images: int, places: int) -> NDArray[Any]:
    """Return the inner products [genes, genes] of what channels contribute to random outputs of the layers that read
    them.

    One output value of a layer is a sum over its input channels. The contribution of a channel is its term in this sum.
    The inner product of two channels is the sum of the products of their contributions over all output values that were
    drawn at random. Only linear layers and convolutions without groups are used.

    Args:
        task: The network and its images.
        images: Number of images.
        places: Number of random positions in each image at which an output value is taken.
    """
    import copy

    import numpy as np
    import torch

    channels, total = task.subnetwork.channels, np.zeros((task.genes, task.genes))
    drawn = torch.Generator().manual_seed(int(task.rng.integers(2**63)))
    with torch.inference_mode(mode=False), torch.no_grad():
        module = copy.deepcopy(task.subnetwork.module).eval()
        inputs: dict[str, Tensor] = {}
        hooks = []
        for layer in channels.layers:
            reader = module.get_submodule(layer.name)
            read = channels.dims.get(layer.weight, {}).get(1)
            if read is not None and (read >= 0).any() and _is_dense(reader):
                hook = _keep(inputs, layer.weight)
                hooks.append((layer.weight, reader, read, reader.register_forward_pre_hook(hook)))
        for image in torch.split(task.inputs[:images].to(next(module.parameters())).clone(), 16):
            module(image)
            for weight, reader, read, _ in hooks:
                parts = _parts(reader, inputs[weight], places, drawn)
                by_gene = np.zeros((len(parts), task.genes + 1))  # the last column is of channels that always stay
                np.add.at(by_gene.T, read, parts.double().cpu().numpy().T)
                own = by_gene[:, :-1]
                used = np.unique(read[read >= 0])
                total[np.ix_(used, used)] += own[:, used].T @ own[:, used]
    return total


def _is_dense(layer: nn.Module) -> bool:
    """Return whether each output of a layer depends on all input channels: a linear layer, or a convolution of feature
    maps [N, C, H, W] without groups."""
    from torch import nn

    if isinstance(layer, nn.Conv2d):
        return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return isinstance(layer, nn.Linear)


def _keep(inputs: dict[str, Tensor], name: str) -> Any:
    def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        inputs[name] = given[0]

    return hook


def _parts(layer: nn.Module, inputs: Tensor, places: int, drawn: Any) -> Tensor:
    """Return the terms [samples, C] of the layer's C input channels in the sums that give random output values of the
    layer."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    if isinstance(layer, nn.Conv2d):
        assert not isinstance(layer.padding, str)
        patches = F.unfold(
            inputs.float(), layer.kernel_size, dilation=layer.dilation, padding=layer.padding, stride=layer.stride
        )  # [N, C · k · k, positions]
        at = torch.randint(patches.shape[2], (len(patches), 1, places), generator=drawn).to(patches.device)
        patches = patches.gather(2, at.expand(-1, patches.shape[1], -1)).movedim(2, 1)
        patches = patches.reshape(-1, layer.in_channels, patches.shape[2] // layer.in_channels)
    else:
        assert isinstance(layer, nn.Linear)
        patches = inputs.float().reshape(-1, layer.in_features, 1)
    weight = layer.weight.float().reshape(len(layer.weight), patches.shape[1], -1)
    outputs = torch.randint(len(weight), (len(patches),), generator=drawn).to(weight.device)
    return (patches * weight[outputs]).sum(dim=2)
