"""Conformance suite for baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from emopms.api import PruningTask
from emopms.network import ClassifierLoss, Limits
from emopms.testing.component import ComponentConformance
from emopms.testing.tiny import Tiny, tiny
from emopms.testing.unchanged import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from emopms.api import Baseline


class BaselineConformance(ComponentConformance):
    """Conformance suite for a `Baseline`. The baseline prunes a small network, with several bounds on its costs."""

    slot: ClassVar[str] = "baseline"
    component: ClassVar[Baseline]

    def test_chooses_a_genome(self) -> None:
        setting = tiny(points=())
        genome = self._chosen(setting, {"macs": 0.5})
        genes = setting.subnetworks[0].channels.genes
        assert isinstance(genome, np.ndarray), f"prune returned a {type(genome).__name__}: return a numpy array."
        is_genome = genome.shape == (genes,) and genome.dtype == np.bool_
        assert is_genome, f"prune returned {genome.dtype} {list(genome.shape)}: return booleans [{genes}]."

    def test_meets_the_bounds(self) -> None:
        setting = tiny(points=())
        for bounds in ({"macs": 0.7}, {"macs": 0.4}, {"params": 0.5}, {"macs": 0.6, "params": 0.4}):
            genome = self._chosen(setting, bounds)[None]
            for cost, share in shares(setting, genome).items():
                assert share <= bounds.get(cost, 1.0), f"{share:.3f} of the {cost} remain; the bounds are {bounds}."

    def test_uses_most_of_what_the_bounds_allow(self) -> None:
        setting = tiny(points=())
        for bound in (0.7, 0.5):
            share = shares(setting, self._chosen(setting, {"macs": bound})[None])["macs"]
            assert share > 0.8 * bound, f"{share:.3f} of the MACs remain of {bound} allowed: keep more channels."

    def test_keeps_everything_if_it_may(self) -> None:
        assert self._chosen(tiny(points=()), {"macs": 1.0}).all(), (
            "Channels were dropped that the bounds allow to keep."
        )

    def test_keeps_a_channel_of_every_layer(self) -> None:
        setting = tiny(points=())
        (sub,) = setting.subnetworks
        genome = self._chosen(setting, {"macs": 0.35})
        whole = sub.repair(genome[None], np.zeros(len(genome)))[0]
        assert np.array_equal(genome, whole), "A group or layer lost all its channels: use `SubNetwork.repair`."

    def test_obeys_limits(self) -> None:
        setting = tiny(points=(), limits=Limits(keep=("stage2.1.first.0",), min_channels=3, max_ratio=0.6))
        (sub,) = setting.subnetworks
        for multiple in (1, 2):
            genome = self._chosen(setting, {"macs": 0.75}, multiple=multiple)
            short = [cover for cover in sub.channels.covers if not cover.met_by(genome[None])[0]]
            assert not short, "A layer keeps fewer channels than the limits of the spec say: use `SubNetwork.repair`."

    def test_keeps_widths_of_the_multiple(self) -> None:
        setting = tiny(points=())
        (sub,) = setting.subnetworks
        genome = self._chosen(setting, {"macs": 0.7}, multiple=2)
        widths = {group.name: int(genome[group.genes].sum()) for group in sub.channels.groups}
        assert not any(width % 2 for width in widths.values()), f"Widths must be multiples of 2; they are {widths}."

    def test_is_determined_by_the_given_generator(self) -> None:
        setting, chosen = tiny(points=()), []
        with torch.random.fork_rng(devices=[]):
            for seed in (1, 2):
                torch.manual_seed(seed)
                chosen.append(self._chosen(setting, {"macs": 0.5}))
        assert np.array_equal(chosen[0], chosen[1]), "The same generator gave different genomes: draw only from `rng`."

    def test_leaves_the_network_alone(self) -> None:
        setting = tiny(points=())
        before = Snapshot(setting.network)
        self._chosen(setting, {"macs": 0.5})
        assert not before.changes(), f"prune changed the network: {before.changes()}. Work on a copy."

    def _chosen(self, setting: Tiny, bounds: Mapping[str, float], *, multiple: int = 1) -> NDArray[np.bool_]:
        return self.component.prune(pruning_task(setting, bounds, multiple=multiple))


def pruning_task(setting: Tiny, bounds: Mapping[str, float], *, multiple: int = 1, seed: int = 0) -> PruningTask:
    """Return the task of pruning an undivided network. The bounds are shares of the costs of the unpruned network."""
    task, (sub,) = setting.task(0), setting.subnetworks
    dense = {cost: int(getattr(sub.costs, cost)(sub.dense[None])[0]) for cost in bounds}
    return PruningTask(
        **(vars(task) | {"criterion": ClassifierLoss()}),
        bounds={cost: int(bound * dense[cost]) for cost, bound in bounds.items()},
        multiple=multiple,
        rng=np.random.default_rng(seed),
    )


def shares(setting: Tiny, genomes: NDArray[np.bool_]) -> dict[str, float]:
    """Return the costs of the network pruned by the first genome [n, genes], as shares of the unpruned network's
    costs."""
    (sub,) = setting.subnetworks
    return {
        cost: float(getattr(sub.costs, cost)(genomes)[0] / getattr(sub.costs, cost)(sub.dense[None])[0])
        for cost in ("macs", "params")
    }
