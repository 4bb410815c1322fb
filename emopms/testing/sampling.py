"""Conformance suite for samplings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from emopms.testing.component import ComponentConformance
from emopms.testing.tiny import Tiny, tiny
from emopms.testing.unchanged import Snapshot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import Sampling
    from emopms.network import SubNetwork


class SamplingConformance(ComponentConformance):
    """Conformance suite for a `Sampling`."""

    slot: ClassVar[str] = "sampling"
    component: ClassVar[Sampling]

    def test_draws_as_many_genomes_as_asked_for(self) -> None:
        setting = tiny()
        for sub in setting.subnetworks:
            for count in (1, 2, 17):
                drawn = self._drawn(setting, sub, count)
                assert isinstance(drawn, np.ndarray), f"sample returned a {type(drawn).__name__}: return a numpy array."
                wanted = (count, sub.channels.genes)
                are_genomes = drawn.shape == wanted and drawn.dtype == np.bool_
                assert are_genomes, (
                    f"sample returned {drawn.dtype} {list(drawn.shape)} for {count} candidates of {wanted[1]} genes: "
                    f"return booleans {list(wanted)}."
                )

    def test_draws_from_the_given_generator_alone(self) -> None:
        setting = tiny()
        for sub in setting.subnetworks:
            draws = []
            with torch.random.fork_rng(devices=[]):
                for seed in (1, 2):
                    torch.manual_seed(seed)
                    draws.append(self._drawn(setting, sub, 17))
            assert np.array_equal(draws[0], draws[1]), (
                "The same generator gave different genomes: draw only from `rng`, and keep no state."
            )
            assert not np.array_equal(draws[0], self._drawn(setting, sub, 17, seed=1)), (
                "Differently seeded generators gave the same genomes: draw from `rng`."
            )

    def test_candidates_differ(self) -> None:
        setting = tiny()
        for sub in setting.subnetworks:
            different = len(np.unique(self._drawn(setting, sub, 17), axis=0))
            assert different > 1, f"All 17 genomes drawn for {sub.channels.genes} genes are equal."

    def test_leaves_the_subnetwork_alone(self) -> None:
        setting = tiny()
        before = Snapshot(setting.network)
        for sub in setting.subnetworks:
            self._drawn(setting, sub, 4)
        assert not before.changes(), f"sample changed the sub-network: {before.changes()}."

    def _drawn(self, setting: Tiny, sub: SubNetwork, count: int, *, seed: int = 0) -> NDArray[np.bool_]:
        inputs = setting.task(sub.index).inputs
        return self.component.sample(sub, inputs, count, np.random.default_rng(seed))
