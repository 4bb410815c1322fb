"""Conformance suite for splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from emopms.network import NO_LIMITS, Limits, subnetworks_of
from emopms.testing.component import ComponentConformance
from emopms.testing.tiny import images, tiny_network
from emopms.testing.unchanged import Snapshot

if TYPE_CHECKING:
    from torch import Tensor, nn

    from emopms.api import Split


class SplitConformance(ComponentConformance):
    """Conformance suite for a `Split`."""

    slot: ClassVar[str] = "split"
    component: ClassVar[Split]

    def network(self) -> nn.Module:
        """Return the network to split. Every call returns an equal network. It has the modules of `TinyNetwork`."""
        return tiny_network()

    def example(self) -> Tensor:
        """Return images [N, C, H, W] that fit the network."""
        return images(4)

    def test_points_are_modules_of_the_network(self) -> None:
        network = self.network()
        points = self.component.find(network, self.example())
        assert isinstance(points, list), f"find returned a {type(points).__name__}: return a list of module paths."
        unknown = [point for point in points if point not in dict(network.named_modules())]
        assert not unknown, f"find returned {unknown!r}, which are not among the network's named_modules()."

    def test_the_parts_compose_to_the_network(self) -> None:
        """If the network cannot be divided at the points, for instance in a wrong order, the error says why."""
        for prune_residual in (False, True):
            self._compose(prune_residual=prune_residual)
        self._compose(prune_residual=True, limits=Limits(max_ratio=0.5))

    def _compose(self, *, prune_residual: bool, limits: Limits = NO_LIMITS) -> None:
        network, example = self.network().eval(), self.example()
        features = example
        with torch.no_grad():
            points = self.component.find(network, example, prune_residual=prune_residual, limits=limits)
            for sub in subnetworks_of(network, points, example, prune_residual=prune_residual, limits=limits):
                features = sub.forward(features)
            expected = network(example)
        assert torch.allclose(features, expected, rtol=1e-4, atol=1e-5), (
            f"The sub-networks' outputs differ from the network's by {float((features - expected).abs().max()):.2g}."
        )

    def test_the_same_network_gives_the_same_points(self) -> None:
        found = []
        with torch.random.fork_rng(devices=[]):
            for seed in range(5):
                torch.manual_seed(seed)
                found.append(self.component.find(self.network(), self.example()))
        assert found.count(found[0]) == len(found), f"The same network was split at each of {found}: use no randomness."

    def test_leaves_the_network_alone(self) -> None:
        network, example = self.network(), self.example()
        before, images_before = Snapshot(network), example.clone()
        self.component.find(network, example)
        assert not before.changes(), f"find changed the network: {before.changes()}."
        assert torch.equal(example, images_before), "find changed the images."
