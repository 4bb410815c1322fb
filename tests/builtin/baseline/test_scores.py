"""What is special to single baselines: which channels they drop first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from emopms.builtin.baseline.abc_pruner import AbcPruner
from emopms.builtin.baseline.apoz import Apoz
from emopms.builtin.baseline.bn_scale import BnScale
from emopms.builtin.baseline.ccep import Ccep
from emopms.builtin.baseline.chip import Chip, _independence
from emopms.builtin.baseline.eagle_eye import EagleEye
from emopms.builtin.baseline.fisher import Fisher
from emopms.builtin.baseline.fpgm import Fpgm
from emopms.builtin.baseline.hrank import HRank
from emopms.builtin.baseline.l1 import L1
from emopms.builtin.baseline.l2 import L2
from emopms.builtin.baseline.lamp import Lamp
from emopms.builtin.baseline.netadapt import NetAdapt
from emopms.builtin.baseline.obd_diag import ObdDiag
from emopms.builtin.baseline.random import RandomScores
from emopms.builtin.baseline.taylor import Taylor
from emopms.builtin.baseline.thinet import ThiNet
from emopms.network import Limits
from emopms.testing.baseline import pruning_task
from emopms.testing.tiny import Tiny, tiny

if TYPE_CHECKING:
    from emopms.api import PruningTask, ScoredBaseline

pytestmark = pytest.mark.slow

CHANNEL = 2
"""The channel of the first group that is changed."""


@pytest.fixture(scope="module")
def setting() -> Tiny:
    return tiny(points=())


def _task(setting: Tiny | None = None, macs: float = 0.5, **more: Any) -> PruningTask:
    return pruning_task(setting or tiny(points=()), {"macs": macs}, **more)


def _dead() -> PruningTask:
    """A network in which one channel of the first group has no effect at all."""
    setting = tiny(points=())
    (sub,) = setting.subnetworks
    group = sub.channels.groups[0]
    with torch.no_grad():
        for name, parameter in sub.module.named_parameters():
            if group.start + CHANNEL in sub.channels.dims.get(name, {}).get(0, ()):
                parameter[CHANNEL] = 0
    return _task(setting)


@pytest.mark.parametrize(
    "baseline",
    [L1(), L2(), Lamp(), BnScale(), Taylor(), Fisher(), ObdDiag(), Apoz(), HRank(), Chip(), ThiNet()],
    ids=str,
)
def test_a_channel_without_effect_goes_first(baseline: ScoredBaseline) -> None:
    task = _dead()
    scores = baseline.scores(task)
    group = task.subnetwork.channels.groups[0]
    assert scores[group.genes].argmin() == CHANNEL
    assert np.isfinite(scores).all()


def test_fpgm_and_chip_drop_what_others_replace() -> None:
    setting = tiny(points=())
    (sub,) = setting.subnetworks
    group = sub.channels.groups[0]
    weight = sub.module.get_parameter(f"{group.name}.weight")
    with torch.no_grad():
        weight[1:] = weight.mean(dim=0) + 0.01 * weight[1:]
        weight[0] *= 3
    assert Fpgm().scores(_task(setting))[group.genes].argmax() == 0
    assert Chip().scores(_task(setting))[group.genes].argmax() == 0


def test_lamp_divides_by_what_is_not_smaller() -> None:
    task = _task()
    scores = Lamp().scores(task)
    for group in task.subnetwork.channels.groups:
        assert scores[group.genes].max() == pytest.approx(1.0)


def test_random_choices_differ_by_seed() -> None:
    chosen = [RandomScores().prune(_task(seed=seed)) for seed in (0, 0, 1)]
    assert np.array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])


def test_the_better_allocation_is_taken() -> None:
    genomes = {
        how: L1.model_validate({"allocation": how}).prune(_task(macs=0.4)) for how in ("uniform", "global", "best")
    }
    task = _task(macs=0.4)
    losses = dict(
        zip(("uniform", "global"), task.losses(np.stack([genomes["uniform"], genomes["global"]])), strict=True)
    )
    assert np.array_equal(genomes["best"], genomes[min(losses, key=lambda how: losses[how])])


@pytest.mark.parametrize(
    "baseline", [EagleEye(candidates=20), AbcPruner(cycles=3), NetAdapt(), Ccep()], ids=lambda each: each.name
)
def test_searches_beat_random_choices(baseline: Any) -> None:
    task = _task()
    rivals = np.stack([RandomScores().prune(_task(seed=seed)) for seed in range(5)])
    assert task.losses(baseline.prune(task)[None])[0] < np.median(task.losses(rivals))
    assert task.evaluations > 5


@pytest.mark.parametrize(
    ("macs", "multiple"), [(0.35, 1), (0.6, 1), (0.9, 1), (1.0, 1), (0.6, 2), (1.0, 2), (0.8, 4), (1.0, 4)]
)
def test_no_further_channel_fits(setting: Tiny, macs: float, multiple: int) -> None:
    for seed in range(10):
        task = _task(setting, macs, multiple=multiple)
        genome = task.largest_within(np.random.default_rng(seed).random(task.genes))
        assert task.fits(genome[None])[0]
        if multiple == 1 and not genome.all():
            wider = np.stack([genome | (np.arange(task.genes) == gene) for gene in np.flatnonzero(~genome)])
            assert not task.fits(wider).any()


@pytest.mark.parametrize("macs", [0.75, 0.8, 0.9, 1.0])
def test_no_further_channel_fits_within_limits(macs: float) -> None:
    limited = tiny(points=(), limits=Limits(keep=("stage2.1.first.0",), min_channels=3, max_ratio=0.6))
    for seed in range(10):
        task = _task(limited, macs)
        genome = task.largest_within(np.random.default_rng(seed).random(task.genes))
        assert task.fits(genome[None])[0]
        assert all(cover.met_by(genome[None])[0] for cover in task.subnetwork.channels.covers)
        wider = [genome | (np.arange(task.genes) == gene) for gene in np.flatnonzero(~genome)]
        assert not wider or not task.fits(np.stack(wider)).any()


def test_no_genome_is_measured_twice() -> None:
    task = _task()
    genomes = np.stack([RandomScores().prune(_task(seed=seed)) for seed in range(3)])
    first = task.losses(np.concatenate([genomes, genomes]))
    assert task.evaluations == len(np.unique(genomes, axis=0))
    assert first[:3].tolist() == first[3:].tolist() == task.losses(genomes).tolist()


@pytest.mark.parametrize("shape", [(6, 20), (40, 7)])
def test_chip_is_the_fall_of_the_nuclear_norm(shape: tuple[int, int]) -> None:
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()
    whole = torch.linalg.matrix_norm(rows, "nuc")
    for channel, found in enumerate(_independence(rows)):
        masked = rows.clone()
        masked[channel] = 0
        fall = whole - torch.linalg.matrix_norm(masked, "nuc")
        assert found == pytest.approx(float(fall / whole * len(rows)), abs=1e-6)
