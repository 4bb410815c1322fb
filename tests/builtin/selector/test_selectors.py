from __future__ import annotations

from typing import cast

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from emopms.api import Selector, Site, TrainedSelector
from emopms.builtin.selector.feature_mse import FeatureMse
from emopms.builtin.selector.linear_probe import LinearProbe
from emopms.builtin.selector.tail import Tail

LABELS = torch.tensor([0, 2, 1, 1, 0, 2])
SHAPES = [(4, 3, 3), (4, 5), (4,)]


def features(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn(6, *shape, generator=torch.Generator().manual_seed(seed))


def scores(x: Tensor) -> Tensor:
    """A dense rest of a network, with three classes."""
    return x.flatten(1)[:, :3] * 2


def site(shape: tuple[int, ...]) -> Site:
    return Site(shape=shape, classes=3, tail=scores)


ALL = [FeatureMse(), LinearProbe(), Tail()]


@pytest.mark.parametrize("selector", ALL)
@pytest.mark.parametrize("shape", SHAPES)
def test_judges_give_one_loss_that_is_the_same_each_time(selector: Selector, shape: tuple[int, ...]) -> None:
    criterion = selector.criterion(site(shape)).eval()
    x = features(shape).requires_grad_()
    loss = criterion(x, features(shape, 1), LABELS)
    assert loss.shape == ()
    torch.testing.assert_close(criterion(x, features(shape, 1), LABELS), loss, rtol=0, atol=0)
    (gradient,) = torch.autograd.grad(loss, x)
    assert gradient.count_nonzero()


def test_a_probe_is_drawn_from_the_global_generator() -> None:
    def weight(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return LinearProbe().criterion(site((4, 3, 3))).get_parameter("linear.weight")

    torch.testing.assert_close(weight(1), weight(1), rtol=0, atol=0)
    assert not torch.equal(weight(1), weight(2))
    assert weight(1).shape == (3, 4)


def test_a_probe_standardises_with_what_it_was_trained_on() -> None:
    criterion = LinearProbe().criterion(site((4, 3, 3)))
    trained_on = features((4, 3, 3), 3) * 5 + 2
    cast("nn.BatchNorm1d", criterion.get_submodule("norm")).momentum = 1.0
    criterion(trained_on, trained_on, LABELS)
    criterion.eval()
    x = features((4, 3, 3))
    seen = trained_on.mean((2, 3))
    pooled = (x.mean((2, 3)) - seen.mean(0)) / (seen.var(0) + 1e-5).sqrt()
    expected = F.cross_entropy(
        pooled @ criterion.get_parameter("linear.weight").T + criterion.get_parameter("linear.bias"), LABELS
    )
    torch.testing.assert_close(criterion(x, trained_on, LABELS), expected)


@pytest.mark.parametrize("dim", [2, 3])
def test_a_probe_averages_over_positions_wherever_the_channels_are(dim: int) -> None:
    maps = features((4, 3, 3))
    last = (maps.flatten(2) if dim == 2 else maps).movedim(1, dim)
    torch.manual_seed(0)
    expected = LinearProbe().criterion(site((4, 3, 3))).eval()(maps, maps, LABELS)
    torch.manual_seed(0)
    criterion = LinearProbe().criterion(Site(tuple(last.shape[1:]), classes=3, tail=scores, channel_dim=dim)).eval()
    torch.testing.assert_close(criterion(last, last, LABELS), expected)


def test_a_probe_learns_to_tell_classes_apart() -> None:
    torch.manual_seed(0)
    criterion = LinearProbe().criterion(site((4, 3, 3)))
    x = features((4, 3, 3)) + 3 * F.one_hot(LABELS, 4).view(6, 4, 1, 1)
    optimiser = torch.optim.Adam(criterion.parameters(), lr=0.05)
    before = float(criterion(x, x, LABELS).detach())
    for _ in range(50):
        optimiser.zero_grad()
        criterion(x, x, LABELS).backward()
        optimiser.step()
    assert float(criterion.eval()(x, x, LABELS).detach()) < before / 3


def test_distance_of_features_is_relative() -> None:
    criterion = FeatureMse().criterion(site((4, 3, 3)))
    x = features((4, 3, 3))
    assert float(criterion(x, x, LABELS)) == 0
    assert float(criterion(x * 1.5, x, LABELS)) == pytest.approx(0.25)
    assert float(criterion(x * 150, x * 100, LABELS)) == pytest.approx(0.25)
    other = features((4, 3, 3), 1)
    expected = (x - other).square().sum() / other.square().sum()
    torch.testing.assert_close(criterion(x, other, LABELS), expected)


def test_of_large_maps_every_second_row_counts() -> None:
    x, other = features((16, 128, 128)), features((16, 128, 128), 1)
    assert len(x) * 16 * 64 * 128 < 2**21 <= 3 * len(x) * 16 * 64 * 128
    criterion = FeatureMse().criterion(site((16, 128, 128)))
    torch.testing.assert_close(criterion(x, other, LABELS), (x - other).square().sum() / other.square().sum())
    x, other = x.repeat(3, 1, 1, 1), other.repeat(3, 1, 1, 1)
    x[:, :, 1::2] = 0
    assert float(criterion(other * 1.5, other, LABELS)) == pytest.approx(0.25)
    some = (x - other)[:, :, ::2].square().sum() / other[:, :, ::2].square().sum()
    torch.testing.assert_close(criterion(x, other, LABELS), some)


def test_distance_from_nothing_is_finite() -> None:
    criterion = FeatureMse().criterion(site((4,)))
    assert torch.isfinite(criterion(features((4,)), torch.zeros(6, 4), LABELS))


def test_distance_in_half_precision_does_not_overflow() -> None:
    x = torch.full((6, 4), 300.0, dtype=torch.float16)
    assert float(FeatureMse().criterion(site((4,)))(x * 2, x, LABELS)) == pytest.approx(1.0)


@pytest.mark.parametrize("selector", [FeatureMse(), Tail()])
def test_judges_that_do_not_learn_hold_nothing(selector: Selector) -> None:
    tail = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    criterion = selector.criterion(Site(shape=(4, 3, 3), classes=3, tail=tail))
    assert not isinstance(selector, TrainedSelector)
    assert not list(criterion.parameters())
    assert not criterion.state_dict()


def test_the_tail_is_the_loss_of_the_rest_of_the_network() -> None:
    x = features((4, 3, 3))
    criterion = Tail().criterion(site((4, 3, 3)))
    torch.testing.assert_close(criterion(x, torch.zeros_like(x), LABELS), F.cross_entropy(scores(x), LABELS))


@pytest.mark.parametrize("values", [{"epochs": -1}, {"lr": 0.0}, {"lr": "0.1"}, {"epoch": 3}])
@pytest.mark.parametrize("kind", [FeatureMse, LinearProbe, Tail])
def test_bad_values_are_refused(kind: type[Selector], values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(values)
