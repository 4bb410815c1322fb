"""Functions that build the network of a spec, load its weights, divide it, and encode its genomes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import nn

from emopms.engine.models.weights import load_weights
from emopms.engine.support.component_calls import guarded_call
from emopms.engine.support.seeds import seeded_globals
from emopms.network.channels.encoding import Encoding
from emopms.network.channels.limits import Limits
from emopms.network.partition.divided_network import DividedNetwork, divide_network
from emopms.network.partition.importance import magnitude

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from emopms.api import Folder, Source
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.spec import Spec


def fresh_network(spec: Spec, source: Source, *, seeded: bool = True) -> nn.Module:
    """Build the backbone on the CPU with random weights.

    Args:
        spec: The spec.
        source: The opened data.
        seeded: Whether the random weights depend only on the spec's seed. If not, it draws from the
            global generators as they are.

    Raises:
        ComponentError: The backbone fails to build the network.
    """
    drawing = seeded_globals(spec.seed, "backbone") if seeded else nullcontext()
    with drawing, guarded_call(spec.backbone, "build its network"):
        network = spec.backbone.build(input_shape=source.shape, classes=len(source.classes))
        if not isinstance(network, nn.Module):
            raise TypeError(f"build returned {type(network).__name__}, not a torch.nn.Module")
    return network


def given_network(spec: Spec, source: Source, folder: Folder) -> nn.Module:
    """Build the backbone on the CPU with the weights that the spec names. If it names none, the weights are random.

    Args:
        spec: The spec.
        source: The opened data.
        folder: The folder that relative paths in the spec start from.

    Raises:
        ComponentError: The backbone fails to build the network.
        DataError: The weights file is missing.
        WeightsError: The weights do not fit the backbone.
    """
    network = fresh_network(spec, source)
    if spec.backbone.weights is not None:
        path = folder.find(spec.backbone.weights, what="weights file")
        load_weights(network, path, spec.backbone.weights_key)
    return network


def example_images(source: Source) -> Tensor:
    """Return two images of noise [2, C, H, W], on which networks are traced and compared. Every call returns the same
    images.

    Blank images would not do: layers without bias would return only zeros, and all comparisons would succeed.
    """
    return torch.randn(2, *source.shape, generator=torch.Generator().manual_seed(0))


def limits_of(spec: Spec) -> Limits:
    """Return what layers keep, as the spec's ``genome`` settings say."""
    genome = spec.genome
    return Limits(keep=genome.keep, min_channels=genome.min_channels, max_ratio=genome.max_ratio)


def divide_as_specified(
    network: nn.Module, split_points: Sequence[str], example: Tensor, spec: Spec, *, limits: Limits | None = None
) -> DividedNetwork:
    """Divide a network at the split points. The spec's ``genome`` settings say which channels get genes.

    Args:
        network: The network.
        split_points: Paths of the modules after which the network is divided.
        example: Images [N, C, H, W] with which the network is traced.
        spec: The spec.
        limits: What layers keep; by default what the spec says.
    """
    return divide_network(
        network,
        split_points,
        example,
        prune_residual=spec.genome.prune_residual,
        prune_boundaries=spec.genome.prune_boundaries,
        limits=limits_of(spec) if limits is None else limits,
    )


def encoding_for(sub: SubNetwork, spec: Spec) -> Encoding:
    """Return the encoding of genomes that the spec's ``genome`` settings ask for.

    An encoding by widths keeps the channels whose weights in the sub-network have the largest magnitude.
    """
    return Encoding(
        sub.channels,
        magnitude(sub),
        widths=spec.genome.coding == "widths",
        multiple=spec.genome.channel_multiple,
    )
