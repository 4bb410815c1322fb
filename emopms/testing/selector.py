"""Conformance suite for selectors."""

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from emopms.api import Selector, Site, TrainedSelector
from emopms.testing.component import ComponentConformance
from emopms.testing.tiny import CLASSES, CPU, devices, tiny
from emopms.testing.unchanged import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emopms.network import Device

_STEPS = 60
"""Number of training steps for the criteria of a trained selector."""


class SelectorConformance(ComponentConformance):
    """Conformance suite for a `Selector`.

    The criteria of the selector are tested on feature maps, tokens and flat features, on all devices and in bf16.
    """

    slot: ClassVar[str] = "selector"
    component: ClassVar[Selector]

    def test_criteria_give_one_differentiable_loss(self) -> None:
        for device in devices():
            for place in _test_sites(device):
                criterion = self._criterion(place).to(device.type).eval()
                features = place.noise().requires_grad_()
                with device.autocast():
                    loss = criterion(features, place.features, place.labels)
                assert getattr(loss, "shape", None) == (), f"The loss is {loss!r}: return a scalar tensor."
                assert loss.isfinite(), f"The loss of features [N, {place}] is {loss}."
                assert loss.requires_grad, "The loss has no gradient: constraint training minimises it."
                (gradient,) = torch.autograd.grad(loss, features)
                is_useful = bool(gradient.isfinite().all()) and bool(gradient.count_nonzero())
                assert is_useful, "The gradient with respect to the features is zero or not finite."

    def test_a_loss_is_a_mean_over_images(self) -> None:
        for place in _test_sites():
            criterion = self._criterion(place).eval()
            arguments = place.noise(), place.features, place.labels
            once, twice = criterion(*arguments), criterion(*(torch.cat([a, a]) for a in arguments))
            assert torch.allclose(once, twice, rtol=1e-4, atol=1e-6), (
                f"The loss of a batch is {float(once)}, with every image twice {float(twice)}: return the mean."
            )

    def test_the_dense_features_are_no_worse_than_noise(self) -> None:
        """Compare the loss of the dense network's features with the loss of random features.

        Criteria of a `TrainedSelector` are trained first. The labels are the dense network's own predictions.
        """
        for place in _test_sites():
            criterion = self._criterion(place)
            if isinstance(self.component, TrainedSelector):
                before, after = _train(criterion, place)
                assert after < before, (
                    f"Trained on its own loss at features [{place}], its loss went from {before} to {after}."
                )
            with torch.no_grad():
                dense, noise = (
                    float(criterion.eval()(f, place.features, place.labels)) for f in (place.features, place.noise())
                )
            assert dense <= noise, (
                f"At features [{place}] the loss of the dense network is {dense} and the loss of noise {noise}: "
                "lower is better."
            )

    def test_the_same_seed_gives_the_same_criterion(self) -> None:
        for place in _test_sites():
            arguments = place.noise(), place.features, place.labels
            criteria = self._criterion(place).eval(), self._criterion(place).eval()
            first, again, other = (float(criterion(*arguments).detach()) for criterion in (criteria[0], *criteria))
            assert first == again, f"Called twice, a criterion in eval mode returns {first}, then {again}."
            assert first == other, (
                f"Criteria made with one seed return {first} and {other}: draw only from torch's generator."
            )

    def test_state_can_be_stored(self) -> None:
        for place in _test_sites():
            criterion, again = self._criterion(place, seed=1), self._criterion(place, seed=2)
            if isinstance(self.component, TrainedSelector):
                _train(criterion, place)
            state = criterion.state_dict()
            strange = [name for name, value in state.items() if not isinstance(value, Tensor)]
            assert not strange, f"The state holds more than tensors: {strange}."
            again.load_state_dict(pickle.loads(pickle.dumps(state)))
            arguments = place.noise(), place.features, place.labels
            expected, found = (float(j.eval()(*arguments).detach()) for j in (criterion, again))
            assert abs(expected - found) <= 1e-5 * max(1.0, abs(expected)), (
                f"With its state loaded into another one, a criterion returns {found} instead of {expected}: "
                "keep everything that it learns in parameters and buffers."
            )

    def test_the_rest_of_the_network_is_not_its_own(self) -> None:
        for place in _test_sites():
            before = Snapshot(place.rest)
            criterion = self._criterion(place).eval().requires_grad_(False)
            criterion(place.features, place.features, place.labels)
            assert not before.changes(), (
                f"Freezing a criterion changed the rest of the network ({before.changes()}): hold `site.tail` without "
                "registering it, for instance in a tuple."
            )

    def test_moves_to_another_device(self) -> None:
        """Move the selector's criterion to the device ``meta``, which stands for devices that this machine lacks."""
        for place in [place.to("meta") for place in _test_sites()]:
            criterion = self._criterion(place).to("meta").eval()
            try:
                loss = criterion(place.features, place.features, place.labels)
            except (RuntimeError, NotImplementedError) as error:
                raise AssertionError(
                    f"Moved to another device, a criterion fails: {error}\nKeep its tensors in parameters and buffers."
                ) from error
            assert loss.device.type == "meta", f"Moved to another device, its loss is on {loss.device}."

    def _criterion(self, place: _TestSite, *, seed: int = 0) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            criterion = self.component.criterion(
                Site(tuple(place.features.shape[1:]), CLASSES, place.rest, channel_dim=place.channel_dim)
            )
        assert isinstance(criterion, nn.Module), (
            f"criterion returned a {type(criterion).__name__}: return an nn.Module."
        )
        return criterion


class _TestSite:
    """A site with a batch of the dense network's features."""

    def __init__(self, features: Tensor, labels: Tensor, rest: nn.Module, *, channel_dim: int = 1) -> None:
        self.features, self.labels, self.rest, self.channel_dim = features, labels, rest, channel_dim

    def noise(self) -> Tensor:
        """Return random features with the mean and standard deviation of the dense features."""
        drawn = torch.randn(self.features.shape, generator=torch.Generator().manual_seed(7)).to(self.features)
        return drawn * self.features.std() + self.features.mean()

    def to(self, device: str) -> _TestSite:
        placed = self.features.to(device), self.labels.to(device), self.rest.to(device)
        return _TestSite(*placed, channel_dim=self.channel_dim)

    def __str__(self) -> str:
        return ", ".join(map(str, self.features.shape[1:]))


class _Maps(nn.Module):
    """Converts tokens [N, S², C] to square feature maps [N, C, S, S]."""

    def forward(self, tokens: Tensor) -> Tensor:
        side = math.isqrt(tokens.shape[1])
        return tokens.transpose(1, 2).unflatten(2, (side, side))  # type: ignore[no-untyped-call,no-any-return]


def _test_sites(device: Device = CPU) -> Iterator[_TestSite]:
    setting = tiny(device=device)
    rests = [nn.Sequential(*(sub.module for sub in setting.subnetworks[index:])) for index in (1, 2)]
    for features, rest in zip(setting.references[1:3], rests, strict=True):
        yield _TestSite(features, setting.labels, rest.eval())
        tokens = features.flatten(2).transpose(1, 2)
        yield _TestSite(tokens, setting.labels, nn.Sequential(_Maps(), rest).eval(), channel_dim=2)
    same = nn.Linear(CLASSES, CLASSES, bias=False)
    nn.init.eye_(same.weight)
    yield _TestSite(setting.references[3], setting.labels, same.to(device.type))


def _train(criterion: nn.Module, place: _TestSite) -> tuple[float, float]:
    """Train a criterion on the dense features. Return its loss in eval mode before and after the training."""
    arguments = place.features, place.features, place.labels
    before = float(criterion.eval()(*arguments).detach())
    optimiser = torch.optim.Adam(criterion.train().parameters(), lr=1e-2)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        criterion(*arguments).backward()
        optimiser.step()
    return before, float(criterion.eval()(*arguments).detach())
