"""The training loop: resumable to the bit, and honest about divergence."""

from __future__ import annotations

import random
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from emopms.api import Folder
from emopms.engine.results.score import Score
from emopms.engine.session.context import Context
from emopms.engine.session.networks import fresh_network
from emopms.engine.storage.store import Store
from emopms.engine.support.progress import Silent
from emopms.engine.training.best_state import BestState
from emopms.engine.training.loop import train
from emopms.engine.training.recipe import make_optimizer
from emopms.errors import RunError
from emopms.network.runtime.device import Device
from emopms.spec import Training
from tests.engine.conftest import tiny

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from emopms.engine.storage.artefact import Workspace
    from emopms.engine.support.progress import Steps


SGD = partial(make_optimizer, training=tiny().pretrain)


class _KillError(Exception):
    pass


class _KillAfter(Silent):
    """Progress that raises once some epochs are done, like a kill between two of them."""

    def __init__(self, epochs: int) -> None:
        self._left = epochs

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[Steps]:
        yield self

    def advance(self, note: str | None = None, *, steps: int = 1) -> None:
        self._left -= note is not None  # an epoch is done
        if self._left <= 0:
            raise _KillError


def _context(progress: Silent) -> Context:
    data = {"name": "digits", "calibration": 359, "validation": 500, "augment": ["flip", "crop"]}
    spec, folder = tiny(data=data), Folder(Path(), "")  # 220 images are left to train on
    return Context(
        spec=spec,
        folder=folder,
        source=spec.data.open(folder),
        device=Device("cpu"),
        progress=progress,
        split_points=spec.split.find(torch.nn.Identity(), torch.zeros(1)),
    )


def _train(
    out: Workspace, progress: Silent, optimizer: Callable[[torch.nn.Module], torch.optim.Optimizer]
) -> torch.nn.Module:
    context = _context(progress)
    network = fresh_network(context.spec, context.source)

    def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        network.train()
        kept = torch.rand(len(labels), generator=rng) < 0.8  # draws, so that the stream matters
        return F.cross_entropy(network(images)[kept], labels[kept])

    schedule = Training(epochs=4, batch_size=64)
    train(network, optimizer(network), loss, schedule=schedule, context=context, stage="test", out=out)
    return network


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD,
        lambda network: torch.optim.Adam(network.parameters(), lr=1e-2),
    ],
    ids=["sgd", "adam"],
)
@pytest.mark.parametrize("epochs", [1, 3])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    tmp_path: Path, epochs: int, optimizer: Callable[[torch.nn.Module], torch.optim.Optimizer]
) -> None:
    store = Store(tmp_path)
    whole = _train(store.begin("whole", "k"), Silent(), optimizer)
    with pytest.raises(_KillError):
        _train(store.begin("killed", "k"), _KillAfter(epochs), optimizer)
    resumed = _train(store.begin("killed", "k"), Silent(), optimizer)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def _train_dropout(out: Workspace, progress: Silent) -> dict[str, Tensor]:
    """Train a network that draws from all global generators, as the layers of others do."""
    context = _context(progress)
    head = nn.Linear(64, 10)
    nn.init.zeros_(head.weight), nn.init.zeros_(head.bias)
    network = nn.Sequential(nn.Flatten(), head, nn.Dropout(0.5))

    def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        noise = random.random() + np.random.random()
        return noise * F.cross_entropy(network.train()(images), labels)

    schedule = Training(epochs=3, batch_size=64)
    train(
        network,
        SGD(network),
        loss,
        schedule=schedule,
        context=context,
        stage="test",
        out=out,
    )
    return network.state_dict()


def test_layers_that_draw_random_numbers_draw_the_same_again(tmp_path: Path) -> None:
    """Whatever was drawn from the global generators before, and wherever an earlier attempt was interrupted."""
    store = Store(tmp_path)
    whole = _train_dropout(store.begin("whole", "k"), Silent())
    with pytest.raises(_KillError):
        _train_dropout(store.begin("killed", "k"), _KillAfter(2))
    resumed = _train_dropout(store.begin("killed", "k"), Silent())
    again = _train_dropout(store.begin("again", "k"), Silent())
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name
        assert torch.equal(tensor, again[name]), name


def test_the_checkpoint_goes_once_the_stage_is_complete(tmp_path: Path) -> None:
    store = Store(tmp_path)
    out = store.begin("stage", "k")
    _train(out, Silent(), SGD)
    assert out.journal("checkpoints").numbers() == [4], "only the last"
    out.complete({})
    assert [path.name for path in out.folder.iterdir()] == ["meta.json"]


def test_an_interrupted_training_goes_on_before_a_damaged_checkpoint(tmp_path: Path) -> None:
    store = Store(tmp_path)
    optimizer = SGD
    whole = _train(store.begin("whole", "k"), Silent(), optimizer)
    with pytest.raises(_KillError):
        _train(store.begin("killed", "k"), _KillAfter(2), optimizer)
    (checkpoint,) = (tmp_path / "killed" / "k" / "scratch" / "checkpoints").iterdir()
    content = bytearray(checkpoint.read_bytes())
    content[-5] ^= 4  # in a weight: still a file of safetensors
    checkpoint.write_bytes(content)
    resumed = _train(store.begin("killed", "k"), Silent(), optimizer)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_divergence_names_stage_and_remedy(tmp_path: Path) -> None:
    context = _context(Silent())
    network = torch.nn.Linear(1, 1)

    def loss(images: Tensor, labels: Tensor, rng: torch.Generator) -> Tensor:
        return network.weight.sum() * float("inf")

    with pytest.raises(RunError, match=r"diverged in a/stage, epoch 1") as caught:
        train(
            network,
            torch.optim.SGD(network.parameters(), lr=0.1),
            loss,
            schedule=Training(epochs=1, batch_size=64),
            context=context,
            stage="a/stage",
            out=Store(tmp_path).begin("stage", "k"),
        )
    assert "`lr`" in caught.value.remedy


def test_no_weight_decay_on_biases_and_normalisation() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    decay = {id(p): g["weight_decay"] for g in SGD(network).param_groups for p in g["params"]}
    assert [decay[id(p)] for p in network.parameters()] == [5e-4, 0.0, 0.0, 0.0]


def test_a_lost_best_state_is_found_again_by_training_again(tmp_path: Path) -> None:
    """The checkpoint alone would go on without the best of the epochs before it."""

    def train_to_the_end(out: Workspace, progress: Silent) -> tuple[int, Score]:
        context = _context(progress)
        network = fresh_network(context.spec, context.source)
        scores = iter([Score(1.0, accuracy) for accuracy in (0.9, 0.5, 0.4, 0.3)])
        by_epoch: dict[float, Score] = {}

        def validate() -> Score:  # the same score each time for the same state
            key = float(sum(tensor.double().sum() for tensor in network.state_dict().values()))
            return by_epoch.setdefault(key, next(scores))

        best = BestState(network, validate, out.journal("best"))
        train(
            network,
            SGD(network),
            lambda images, labels, rng: F.cross_entropy(network.train()(images), labels),
            schedule=Training(epochs=4, batch_size=64),
            context=context,
            stage="test",
            out=out,
            best=best,
        )
        return best.epoch, best.restore()

    store = Store(tmp_path)
    with pytest.raises(_KillError):
        train_to_the_end(store.begin("killed", "k"), _KillAfter(2))
    (state,) = (tmp_path / "killed" / "k" / "scratch" / "best").iterdir()
    state.write_bytes(state.read_bytes()[:-1])
    assert train_to_the_end(store.begin("killed", "k"), Silent()) == (1, Score(1.0, 0.9))
