"""What every stage works with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import nn

from emopms.engine.models.weights import load_weights
from emopms.engine.session.data import ImageSets
from emopms.engine.session.scoring import predictions
from emopms.engine.support.component_calls import guarded_call
from emopms.engine.support.seeds import derive
from emopms.network.channels.encoding import Encoding
from emopms.network.channels.surgery import fit_to
from emopms.network.partition.importance import magnitude
from emopms.network.partition.partitioned import DividedNetwork, divide_network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.api import Folder, Source
    from emopms.engine.session.data import ImageSet
    from emopms.engine.storage.store import Artefact
    from emopms.engine.support.progress import Progress
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.network.runtime.device import Device
    from emopms.spec import Spec


@dataclass(frozen=True)
class Context:
    """A spec, made concrete: where its data are, where it runs, and how its networks are built."""

    spec: Spec
    folder: Folder
    source: Source
    device: Device
    progress: Progress
    split_points: Sequence[str]
    """The split points, found."""

    @cached_property
    def image_sets(self) -> ImageSets:
        predict = None if self.source.labelled else self._as_given
        return ImageSets(self.source, self.spec.data, self.device, seed=self.spec.seed, predict=predict)

    def _as_given(self, images: ImageSet) -> NDArray[np.int64]:
        """What the dense network predicts as it was given: the labels of images that carry none."""
        return predictions(self.device.place(given_network(self.spec, self.source, self.folder)).eval(), images)

    @property
    def quality(self) -> str:
        """What a share of right answers is: ``accuracy``, or without labels ``agreement`` with the dense network."""
        return "accuracy" if self.source.labelled else "agreement"

    @property
    def int8(self) -> bool:
        """Whether pruned networks may be compared in eight bits, where the device is faster at it."""
        return not any(objective.in_floating_point for objective in self.spec.objectives)

    @property
    def classes(self) -> int:
        return len(self.source.classes)

    @property
    def train_size(self) -> int:
        """Number of images that are trained on."""
        return self.source.train_size - self.spec.data.held_out

    def network(self, state: Mapping[str, Tensor]) -> nn.Module:
        """A network with this state, dense or pruned, on the device, in eval mode."""
        network = fresh_network(self.spec, self.source)
        fit_to(network, state)
        return self.device.place(network).eval()

    def divide(self, network: nn.Module) -> DividedNetwork:
        """The sub-networks of a dense network; they share its parameters."""
        return divided(network, self.split_points, self.device.images(example_of(self.source)), self.spec)

    def constrained(self, artefact: Artefact) -> DividedNetwork:
        """The sub-networks that ``constrain`` left, made once: to trace a deep network takes as long as to judge some
        candidates. The stages that search and measure leave them as they are."""
        if artefact.folder not in self._constrained:
            self._constrained[artefact.folder] = self.divide(self.network(artefact.tensors("network")))
        return self._constrained[artefact.folder]

    @cached_property
    def _constrained(self) -> dict[Path, DividedNetwork]:
        return {}

    @cached_property
    def handed_on(self) -> dict[int, Tensor]:
        """Dense features of the calibration images that enter a sub-network, by its index: kept by the search of the
        one before it, until its own search takes them."""
        return {}

    def coding(self, sub: SubNetwork) -> Encoding:
        """How the spec's searches write down what is kept of a sub-network, by its present weights."""
        return encoding_of(sub, self.spec)


def divided(network: nn.Module, split_points: Sequence[str], example: Tensor, spec: Spec) -> DividedNetwork:
    """The network's sub-networks, with the genes that the spec opens (see `divide_network`)."""
    return divide_network(
        network,
        split_points,
        example,
        prune_residual=spec.genome.prune_residual,
        prune_boundaries=spec.genome.prune_boundaries,
    )


def encoding_of(sub: SubNetwork, spec: Spec) -> Encoding:
    """See `Context.coding`."""
    return Encoding(
        sub.channels,
        magnitude(sub),
        widths=spec.genome.coding == "widths",
        multiple=spec.genome.channel_multiple,
    )


def fresh_network(spec: Spec, source: Source) -> nn.Module:
    """The backbone with random weights from the spec's seed, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(spec.seed, "backbone"))
        with guarded_call(spec.backbone, "build its network"):
            network = spec.backbone.build(input_shape=source.shape, classes=len(source.classes))
            if not isinstance(network, nn.Module):
                raise TypeError(f"build returned {type(network).__name__}, not a torch.nn.Module")
        return network


def given_network(spec: Spec, source: Source, folder: Folder) -> nn.Module:
    """The backbone with the weights that the spec names, or random ones, on the CPU.

    Raises:
        DataError, WeightsError: The weights are missing, or not the backbone's.
    """
    network = fresh_network(spec, source)
    if spec.backbone.weights is not None:
        load_weights(network, folder.find(spec.backbone.weights, what="weights file"))
    return network


def example_of(source: Source) -> Tensor:
    """Two images of noise [2, C, H, W], always the same: for shapes, and to compare what computes the same. Blank ones
    would leave nothing to compare where layers have no bias."""
    return torch.randn(2, *source.shape, generator=torch.Generator().manual_seed(0))
