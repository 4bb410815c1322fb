"""Conformance suite for backbones."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from emopms.network import subnetworks_of
from emopms.testing.component import ComponentConformance
from emopms.testing.tiny import devices
from emopms.testing.unchanged import Globals

if TYPE_CHECKING:
    from torch import Tensor, nn

    from emopms.api import Backbone


class BackboneConformance(ComponentConformance):
    """Conformance suite for a `Backbone`."""

    slot: ClassVar[str] = "backbone"
    component: ClassVar[Backbone]
    input_shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    """Shape [C, H, W] of the images with which the backbone is tested."""
    classes: ClassVar[int] = 5
    """Number of classes with which the backbone is tested."""

    def test_maps_images_to_class_scores(self) -> None:
        for classes in (self.classes, self.classes + 1):
            network = self._built(classes=classes).eval()
            for count in (1, 3):
                with torch.no_grad():
                    scores = network(self._images(count))
                assert getattr(scores, "shape", None) == (count, classes), (
                    f"{count} images of {classes} classes gave {_describe(scores)}: return scores [{count}, {classes}]."
                )
                assert scores.isfinite().all(), "A newly built network gives scores that are not finite."

    def test_weights_are_drawn_from_the_global_generator(self) -> None:
        first, same, other = (self._built(seed=seed).state_dict() for seed in (1, 1, 2))
        different = [name for name in first if not torch.equal(first[name], same[name])]
        assert not different, f"Built twice with one seed, these differ: {different}. Draw only from torch's generator."
        assert any(not torch.equal(first[name], other[name]) for name in first), (
            "Built with another seed, all weights are the same: draw from torch's global generator, and do not seed it."
        )

    def test_building_leaves_global_state_alone(self) -> None:
        before, draws = Globals.now(), []
        with torch.random.fork_rng(devices=[]):
            for seed in (1, 2):
                torch.manual_seed(seed)
                self.component.build(input_shape=self.input_shape, classes=self.classes)
                draws.append(float(torch.rand(())))
        after = Globals.now()
        assert after.settings == before.settings, (
            f"build changed torch's settings {before.settings} to {after.settings}."
        )
        assert after.generators == before.generators, (
            "build drew from Python's or numpy's global generator, or seeded it."
        )
        assert draws[0] != draws[1], "build seeds torch's global generator: draw from it without seeding."

    def test_builds_share_nothing(self) -> None:
        networks = self._built(), self._built()
        first, second = ({parameter.data_ptr() for parameter in network.parameters()} for network in networks)
        assert not first & second, (
            "Two networks built one after the other share parameters: keep no state in the component."
        )

    def test_state_fits_another_build(self) -> None:
        network, again = self._built(seed=1).eval(), self._built(seed=2).eval()
        again.load_state_dict(network.state_dict())
        with torch.no_grad():
            expected, found = network(self._images(2)), again(self._images(2))
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5), (
            f"With the same state its scores differ by up to {float((found - expected).abs().max()):.2g}: "
            "keep everything that the forward pass depends on in parameters and buffers."
        )

    def test_can_be_divided_and_pruned(self) -> None:
        """If the network cannot be traced, the error of `subnetworks_of` says why."""
        network = self._built().eval()
        (whole,) = subnetworks_of(network, [], self._images(2))
        with torch.no_grad():
            expected, found = network(self._images(2)), whole.forward(self._images(2))
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5), (
            f"Traced by torch.fx, its scores differ by up to {float((found - expected).abs().max()):.2g}."
        )

    def test_can_be_trained(self) -> None:
        network = self._built().train()
        labels = torch.arange(4) % self.classes
        optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)
        loss = F.cross_entropy(network(self._images(4)), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        assert any(gradient.count_nonzero() for gradient in gradients.values()), "No parameter gets a gradient."
        broken = [name for name, gradient in gradients.items() if not gradient.isfinite().all()]
        assert not broken, f"Gradients that are not finite: {broken}."
        optimiser.step()
        with torch.no_grad():
            assert network.eval()(self._images(2)).isfinite().all(), "After one step its scores are not finite."

    def test_moves_to_another_device(self) -> None:
        """Move the backbone's network to the device ``meta``, which stands for devices that this machine lacks."""
        network = self._built().eval()
        places = {tensor.device.type for tensor in network.state_dict().values()}
        assert places <= {"cpu"}, f"build put tensors on {sorted(places)}: build on the CPU; the engine moves networks."
        for device in sorted({"meta", *(device.type for device in devices())} - {"cpu"}):
            moved = self._built().eval().to(device)
            try:
                with torch.no_grad():
                    moved(self._images(2).to(device))
            except (RuntimeError, NotImplementedError) as error:
                raise AssertionError(
                    f"It fails on the device {device}: {error}\nCreate the tensors of the forward pass "
                    "on the input's device, or keep them in buffers."
                ) from error

    def _built(self, *, classes: int | None = None, seed: int = 0) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.component.build(input_shape=self.input_shape, classes=classes or self.classes)

    def _images(self, count: int) -> Tensor:
        return torch.randn(count, *self.input_shape, generator=torch.Generator().manual_seed(0))


def _describe(scores: object) -> str:
    return f"a tensor {list(scores.shape)}" if isinstance(scores, torch.Tensor) else f"a {type(scores).__name__}"
