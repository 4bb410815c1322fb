"""Small networks made by hand, and what tests do with them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from hypothesis import settings
from torch import Tensor, nn

from emopms.network.channels.surgery import fit_to, pruned_state
from emopms.network.costs.cost_model import count
from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of
from tests.examples import scaled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Genome = NDArray[np.bool_]

examples = settings(max_examples=scaled(40))


def conv_norm_linear() -> Net:
    """Four free channels that a flattening layer reads four times each."""
    return Net(
        lambda net, x: net.scores(net.norm(net.conv(x)).relu().flatten(1)),
        conv=nn.Conv2d(2, 4, 5),
        norm=nn.BatchNorm2d(4),
        scores=nn.Linear(4 * 4, 3),
    )


def random_genome(sub: SubNetwork, seed: int) -> Genome:
    """Repaired, at a random share of channels kept; something is dropped wherever that is possible."""
    rng = np.random.default_rng(seed)
    genome = rng.random(sub.channels.genes) < rng.uniform(0.1, 0.9)
    genome[rng.integers(len(genome))] = False
    repaired: Genome = sub.repair(genome[None, :], rng.random(len(genome)))[0]
    return repaired


def chained(subnetworks: Sequence[SubNetwork], genomes: Sequence[Genome], images: Tensor) -> Tensor:
    for sub, genome in zip(subnetworks, genomes, strict=True):
        images = sub.forward(images, genome)
    return images


def pruned_copy(network: nn.Module, subnetworks: Sequence[SubNetwork], genomes: Sequence[Genome]) -> nn.Module:
    """The network after surgery; the original stays whole."""
    cuts = [(sub.channels, genome) for sub, genome in zip(subnetworks, genomes, strict=True)]
    pruned = copy.deepcopy(network)
    fit_to(pruned, pruned_state(network, cuts))
    return pruned


@torch.no_grad()
def randomise(network: nn.Module, seed: int) -> nn.Module:
    """Give batch norms statistics and parameters that matter; fp64, eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor, low in ((module.weight, 0.5), (module.bias, -0.5), (module.running_var, 0.5)):
                if tensor is not None:
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) + low)
            if module.running_mean is not None:
                module.running_mean.copy_(torch.rand(module.running_mean.shape, generator=generator) - 0.5)
    return network.double().eval()


class Net(nn.Module):
    """A network from named layers and a function that runs them."""

    def __init__(self, run: Callable[[Any, Any], Any], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._run = run

    def forward(self, x: Tensor) -> Tensor:
        return self._run(self, x)  # type: ignore[no-any-return]


IMAGES = torch.randn(3, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
"""What networks made by hand are run on."""


def whole(network: nn.Module) -> SubNetwork:
    """A network made by hand as one sub-network."""
    return subnetworks_of(randomise(network, 0), [], IMAGES)[0]


def assert_prunes_well(network: nn.Module, sub: SubNetwork) -> None:
    """Slicing, surgery and prediction agree on several genomes."""
    for seed in range(5):
        genome = random_genome(sub, seed)
        pruned = pruned_copy(network, [sub], [genome])
        torch.testing.assert_close(sub.forward(IMAGES, genome), pruned(IMAGES))
        counted = count(pruned, IMAGES)
        assert sub.costs.macs(genome[None, :]).tolist() == [counted.macs]
        assert sub.costs.params(genome[None, :]).tolist() == [counted.params]


def gradients(network: nn.Module, output: Tensor) -> Mapping[str, Tensor]:
    """Of the output's sum of squares; zeros for parameters that take no part."""
    parameters = dict(network.named_parameters())
    found = torch.autograd.grad(output.square().sum(), list(parameters.values()), allow_unused=True)
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient
        for (name, parameter), gradient in zip(parameters.items(), found, strict=True)
    }
