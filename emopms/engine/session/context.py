"""The context of a run: the values and functions that all stages use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from emopms.engine.images.image_sets import ImageSets
from emopms.engine.results.networks import DenseNetwork
from emopms.engine.session.boundary_features import BoundaryFeatures
from emopms.engine.session.networks import (
    divide_as_specified,
    encoding_for,
    example_images,
    fresh_network,
    given_network,
)
from emopms.engine.session.scoring import predictions
from emopms.network.channels.surgery import fit_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.api import Folder, Source
    from emopms.engine.images.image_sets import ImageSet
    from emopms.engine.storage.artefact import Artefact
    from emopms.engine.support.progress import Progress
    from emopms.network.channels.encoding import Encoding
    from emopms.network.partition.divided_network import DividedNetwork
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.network.runtime.device import Device
    from emopms.spec import FinetuneSettings, Spec


@dataclass(frozen=True)
class Context:
    """A spec together with its data, its device, and the way to build its networks."""

    spec: Spec
    folder: Folder
    """The folder that relative paths in the spec start from."""
    source: Source
    """The opened data of the spec."""
    device: Device
    """The device of all stages."""
    progress: Progress
    """Receives the progress of the stages."""
    split_points: Sequence[str]
    """Module paths that the spec's split component found."""

    @cached_property
    def image_sets(self) -> ImageSets:
        """Training, calibration, ranking, validation and test images."""
        predict = None if self.source.labelled else self._predictions_as_given
        return ImageSets(self.source, self.spec.data, self.device, seed=self.spec.seed, predict=predict)

    def _predictions_as_given(self, images: ImageSet) -> NDArray[np.int64]:
        """Return the classes [n] that the dense network predicts with the given weights.

        They are the labels of unlabelled images.
        """
        return predictions(self.device.place(given_network(self.spec, self.source, self.folder)).eval(), images)

    def with_finetuning(self, settings: FinetuneSettings) -> Context:
        """Return this context with other settings for fine-tuning."""
        return replace(self, spec=self.spec.model_copy(update={"finetune": settings}))

    @property
    def quality(self) -> str:
        """Name of the share of correct answers: ``accuracy``, or ``agreement`` if the dense network gave the labels."""
        return "accuracy" if self.source.labelled else "agreement"

    @property
    def int8(self) -> bool:
        """Whether pruned networks may be evaluated in int8 numbers. Int8 is used only if it is faster on the device."""
        return not any(objective.in_floating_point for objective in self.spec.objectives)

    @property
    def classes(self) -> int:
        """Number of classes in the data."""
        return len(self.source.classes)

    @property
    def train_size(self) -> int:
        """Number of training images."""
        return self.source.train_size - self.spec.data.held_out_of(self.source)

    @property
    def example(self) -> Tensor:
        """Two images of noise [2, C, H, W] on the device."""
        return self.device.images(example_images(self.source))

    def given_network(self) -> nn.Module:
        """Build the dense network on the device, in eval mode, with the weights that the spec names."""
        return self.device.place(given_network(self.spec, self.source, self.folder)).eval()

    def random_network(self) -> nn.Module:
        """Build the dense network on the device, in eval mode, with random weights."""
        return self.device.place(fresh_network(self.spec, self.source)).eval()

    def network(self, state: Mapping[str, Tensor]) -> nn.Module:
        """Build the network of a state dict on the device, in eval mode. The network may be pruned."""
        network = fresh_network(self.spec, self.source)
        fit_to(network, state)
        return self.device.place(network).eval()

    def divide(self, network: nn.Module) -> DividedNetwork:
        """Divide a dense network into sub-networks. They share the parameters of the network."""
        return divide_as_specified(network, self.split_points, self.example, self.spec)

    def constrained(self, artefact: Artefact) -> DividedNetwork:
        """Return the divided network that the ``constrain`` stage stored (see `divided`)."""
        return self.divided(artefact)

    def divided(self, artefact: Artefact) -> DividedNetwork:
        """Return a stored dense network, divided.

        The divided network is built at the first call and kept, because it takes long to trace a deep network. No stage
        changes it.

        Args:
            artefact: The stored result of the ``pretrain`` or of the ``constrain`` stage.
        """
        if artefact.folder not in self._divided:
            self._divided[artefact.folder] = self.divide(self.network(DenseNetwork.load(artefact).state))
        return self._divided[artefact.folder]

    @cached_property
    def _divided(self) -> dict[Path, DividedNetwork]:
        return {}

    @cached_property
    def boundary_features(self) -> BoundaryFeatures:
        """The cache of the dense network's features that one search stores for the next search."""
        return BoundaryFeatures()

    def encoding(self, sub: SubNetwork) -> Encoding:
        """Return the encoding that translates genomes of a sub-network to the bit strings of the algorithm."""
        return encoding_for(sub, self.spec)
