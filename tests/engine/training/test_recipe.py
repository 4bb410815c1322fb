"""How a training takes its steps: optimisers, learning rates, clipped gradients, averages, early ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from emopms.engine.results.score import Score
from emopms.engine.storage.store import Store
from emopms.engine.support.progress import Silent
from emopms.engine.training.best_state import BestState
from emopms.engine.training.loop import descend, train
from emopms.engine.training.losses import supervised_loss
from emopms.engine.training.recipe import PLAIN, Recipe, make_optimizer
from emopms.network.runtime.device import Device
from emopms.spec import Training
from tests.engine.training.test_loop import _context, _KillAfter, _KillError

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.storage.artefact import Workspace


def test_the_plain_recipe_is_that_of_the_default_settings() -> None:
    assert Recipe.of(nn.Linear(1, 1), Training()) == PLAIN


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("cosine", [0.5, 0.5 * (1 + 2**-0.5), 0.5, 0.5 * (1 - 2**-0.5)]),
        ("linear", [0.5, 0.75, 0.5, 0.25]),
        ("constant", [0.5, 1.0, 1.0, 1.0]),
    ],
)
def test_the_learning_rate_rises_and_then_falls(schedule: str, rates: list[float]) -> None:
    recipe = Recipe(schedule=schedule, warmup=0.5)
    assert [recipe.rate(step, 4) for step in range(4)] == pytest.approx(rates, abs=0.01)
    assert Recipe(schedule=schedule, warmup=0.0).rate(0, 100) == 1.0


def test_adamw_has_decoupled_decay_on_weights_alone() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    optimizer = make_optimizer(network, Training(optimizer="adamw", lr=0.01, weight_decay=0.1))
    assert isinstance(optimizer, torch.optim.AdamW)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert [decay[id(p)] for p in network.parameters()] == [0.1, 0.0, 0.0, 0.0]


def test_a_long_gradient_is_shortened() -> None:
    moved = []
    for limit in (None, 0.5):
        network = nn.Linear(4, 1, bias=False)
        before = network.weight.detach().clone()
        optimizer = torch.optim.SGD(network.parameters(), lr=1.0)

        def loss(images: Tensor, labels: Tensor, rng: torch.Generator, network: nn.Module = network) -> Tensor:
            return 100 * network(images).sum()  # type: ignore[no-any-return]

        descend(
            *(optimizer, loss, torch.ones(2, 4), torch.zeros(2), torch.Generator()),
            device=Device("cpu"),
            clip_norm=limit,
        )
        moved.append(float((network.weight.detach() - before).norm()))
    assert moved == pytest.approx([400.0, 0.5], rel=1e-4)


SETTINGS: dict[str, Any] = {"epochs": 4, "batch_size": 64}
FULL = Training(
    **SETTINGS,
    optimizer="adamw",
    lr=0.01,
    schedule="linear",
    label_smoothing=0.1,
    mixup=0.2,
    clip_norm=1.0,
    ema=0.9,
)


def _train(out: Workspace, progress: Silent, settings: Training) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Train a small network, and return its last state and that of its average."""
    context = _context(progress)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10))
    recipe = Recipe.of(network, settings)
    train(
        network,
        make_optimizer(network, settings),
        supervised_loss(settings, network),
        schedule=settings,
        recipe=recipe,
        context=context,
        stage="test",
        out=out,
    )
    return network.state_dict(), recipe.judged(network).state_dict()


@pytest.mark.parametrize("epochs", [1, 3])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path: Path, epochs: int) -> None:
    store = Store(tmp_path)
    whole = _train(store.begin("whole", "k"), Silent(), FULL)
    with pytest.raises(_KillError):
        _train(store.begin("killed", "k"), _KillAfter(epochs), FULL)
    resumed = _train(store.begin("killed", "k"), Silent(), FULL)
    for one, other in zip(whole, resumed, strict=True):
        for name, tensor in one.items():
            assert torch.equal(tensor, other[name]), name


def test_the_average_lags_behind_the_network(tmp_path: Path) -> None:
    network, average = _train(Store(tmp_path).begin("a", "k"), Silent(), Training(**SETTINGS, ema=0.95))
    assert not torch.equal(network["0.weight"], average["0.weight"])
    assert not torch.equal(network["1.running_mean"], average["1.running_mean"]), "and so do its statistics"
    alone, judged = _train(Store(tmp_path).begin("b", "k"), Silent(), Training(**SETTINGS))
    assert torch.equal(network["0.weight"], alone["0.weight"]), "it changes nothing in the training"
    assert torch.equal(judged["0.weight"], alone["0.weight"])


@pytest.mark.parametrize(
    "changed", [{"mixup": 0.5}, {"label_smoothing": 0.2}, {"clip_norm": 0.1}, {"schedule": "linear"}]
)
def test_each_setting_changes_the_training(tmp_path: Path, changed: dict[str, Any]) -> None:
    plain, other = (
        _train(Store(tmp_path).begin(name, "k"), Silent(), Training(**SETTINGS | settings))[0]
        for name, settings in (("plain", {}), ("other", changed))
    )
    assert not torch.equal(plain["0.weight"], other["0.weight"])


@pytest.mark.parametrize(("patience", "trained"), [(None, 6), (1, 3), (2, 4), (5, 6)])
@pytest.mark.parametrize("killed", [None, 1, 3])
def test_a_training_ends_when_no_epoch_is_better(tmp_path: Path, patience: int, trained: int, killed: int) -> None:
    """The second epoch of six is the best."""
    store, scores = Store(tmp_path), {1: 0.5, 2: 0.9, 3: 0.4, 4: 0.3, 5: 0.2, 6: 0.1}
    seen: list[int] = []

    def run(progress: Silent) -> int:
        network, out = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), store.begin("test", "k")
        calls = iter(range(len(seen) + 1, 7))

        def validate() -> Score:
            seen.append(next(calls))
            return Score(1.0, scores[seen[-1]])

        best = BestState(network, validate, out.journal("best"))
        train(
            network,
            torch.optim.SGD(network.parameters(), lr=0.01),
            supervised_loss(Training(), network),
            schedule=Training(epochs=6, batch_size=64),
            recipe=Recipe(patience=patience),
            context=_context(progress),
            stage="test",
            out=out,
            best=best,
        )
        return best.epoch

    if killed is not None and killed < trained:
        with pytest.raises(_KillError):
            run(_KillAfter(killed))
    assert run(Silent()) == 2
    assert seen == list(range(1, trained + 1))
