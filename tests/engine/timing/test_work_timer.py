"""Timings of work with the spec's networks: what is timed, and what is multiplied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest
import torch

from emopms.builtin.data.digits import Digits
from emopms.engine.session.scoring import BATCH
from emopms.engine.timing.stopwatch import Stopwatch, TimingEffort
from emopms.engine.timing.work_timer import WorkTimer
from emopms.spec import Training
from tests.engine.contexts import tiny_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from emopms.api import Folder, Images, Source

QUICK = TimingEffort(min_seconds=0.0, min_repetitions=1)


class Unread(Digits):
    """Digits whose images must not be read."""

    name: Literal["digits"] = "digits"

    def open(self, folder: Folder) -> Source:
        source = super().open(folder)
        source.train = source.test = _refuse  # type: ignore[method-assign]
        return source


def _refuse() -> Images:
    raise AssertionError("images were read")


@pytest.fixture
def timer() -> WorkTimer:
    return WorkTimer(tiny_context(data=Unread(calibration=128, validation=128)), QUICK)


def test_the_dense_network_is_timed_once_and_no_image_is_read(
    timer: WorkTimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def seconds(self: Stopwatch, prepare: Callable[[int], Callable[[], object]], size: int) -> float:
        sizes.append(size)
        prepare(4)()
        return 1.0

    monkeypatch.setattr(Stopwatch, "seconds", seconds)
    assert timer.forward(BATCH) == 1.0
    assert timer.forward(10 * BATCH) == 10.0
    assert timer.forward(0) == 0.0
    assert sizes == [BATCH]


def test_random_images_look_like_the_data(timer: WorkTimer) -> None:
    images = timer.images(5)
    (pixels, labels), *more = images.batches(8)
    assert more == []
    assert pixels.shape == (5, 1, 8, 8)
    assert set(labels.tolist()) <= set(range(10))


def test_a_training_takes_its_epochs_and_what_follows_each(timer: WorkTimer, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def seconds(self: Stopwatch, prepare: Callable[[int], Callable[[], object]], size: int) -> float:
        steps.append(size)
        prepare(4)()
        return 0.1

    monkeypatch.setattr(Stopwatch, "seconds", seconds)
    network = torch.nn.Linear(64, 10)
    before = network.weight.detach().clone()

    def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        return torch.nn.functional.cross_entropy(network(images.flatten(1)), labels)

    def prepare() -> tuple[torch.optim.Optimizer, Any]:
        return torch.optim.SGD(network.parameters(), lr=0.1), loss

    schedule = Training(epochs=3, batch_size=64)
    per_epoch = timer.context.train_size // 64
    assert timer.training(schedule, prepare) == pytest.approx(3 * per_epoch * 0.1)
    assert timer.training(schedule, prepare, after_epoch=2.0) == pytest.approx(3 * (per_epoch * 0.1 + 2.0))
    assert steps == [64, 64]
    assert not torch.equal(network.weight, before), "a step is timed whole"
    big = Training(epochs=1, batch_size=10**5)
    assert timer.training(big, prepare) == pytest.approx(0.1)
    assert steps[-1] == timer.context.train_size


def test_without_epochs_nothing_is_prepared(timer: WorkTimer) -> None:
    def prepare() -> Any:
        pytest.fail("nothing is trained")

    assert timer.training(Training(epochs=0, batch_size=64), prepare, after_epoch=5.0) == 0.0


def test_networks_are_made_once_and_criteria_are_frozen(timer: WorkTimer) -> None:
    assert timer.divided is timer.divided
    assert len(timer.divided.parts) == len(timer.criteria) == 3
    assert not any(parameter.requires_grad for parameter in timer.criteria.parameters())


def test_the_peak_is_that_of_the_stopwatch(timer: WorkTimer) -> None:
    assert timer.peak == timer.stopwatch.peak > 0
    timer.stopwatch.peak += 1000
    assert timer.peak == timer.stopwatch.peak


def test_the_effort_reaches_the_stopwatch() -> None:
    calls: list[int] = []

    def prepare(size: int) -> Callable[[], object]:
        return lambda: calls.append(size)

    WorkTimer(tiny_context(), QUICK).stopwatch.seconds(prepare, 4)
    assert calls == [4, 4], "once to set up, once timed"
