"""Candidates just within cost bounds, where a front may have no point.

The search for one target begins with the schemes on both sides of its bounds. A candidate takes each channel group from
one of two parents, and a few channels at random. Then channels are dropped or added until the candidate is as large as
the bounds allow. Channels that many schemes keep are added first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emopms.network.partition.importance import magnitude
from emopms.network.partition.largest_within import largest_within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from emopms.network.channels.encoding import Encoding
    from emopms.network.costs.cost_model import CostModel
    from emopms.network.partition.subnetwork import SubNetwork

CANDIDATES = 32
"""Number of candidates of one generation."""
_PARENTS = 8
"""Number of candidates with the lowest losses from which the next generation is made."""
_CHANGES = 2.0
"""Mean number of channels that a candidate drops or adds at random, besides one."""


class NearBounds:
    """Makes candidates of the whole network whose MACs and parameters are just within bounds.

    Args:
        whole: The whole network.
        schemes: Genomes [s, genes] of the schemes of the search, with the dense network in the last row.
        bounds: Makes the largest allowed MACs and parameters, by name, of the next candidate.
        encoding: Says which genomes are valid.
        multiple: Each layer keeps a multiple of this number of channels, or all of its channels.
        rng: The source of randomness.
    """

    def __init__(
        self,
        whole: SubNetwork,
        schemes: NDArray[np.bool_],
        bounds: Callable[[], Mapping[str, float]],
        *,
        encoding: Encoding,
        multiple: int,
        rng: np.random.Generator,
    ) -> None:
        self._whole, self._bounds, self._encoding, self._multiple, self._rng = whole, bounds, encoding, multiple, rng
        order = magnitude(whole).argsort(kind="stable").argsort(kind="stable")
        self._prior = schemes.mean(axis=0) + order / (len(order) * len(schemes))  # ties by magnitude
        self._parents = schemes

    def first(self) -> NDArray[np.bool_]:
        """Return the schemes nearest to the bounds on both sides, made as large as the bounds allow."""
        macs = self._whole.costs.macs(self._parents)
        fits = self._fits(self._bounds())
        largest = macs[fits(self._parents)].max(initial=0)
        near = np.argsort(np.abs(macs - largest) + np.where(macs <= largest, 0.0, 0.5), kind="stable")[:CANDIDATES]
        return self._made([(self._parents[row], fits) for row in near])

    def next(self, genomes: NDArray[np.bool_], losses: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return the next candidates, made from the candidates with the lowest losses.

        Args:
            genomes: All candidates within the bounds up to now [n, genes].
            losses: Their losses [n].
        """
        parents = genomes[np.argsort(losses, kind="stable")[:_PARENTS]]
        children = []
        for _ in range(CANDIDATES):
            one, other = parents[self._rng.integers(len(parents), size=2)]
            child = one.copy()
            for group in self._whole.channels.groups:
                if self._rng.random() < 0.5:
                    child[group.genes] = other[group.genes]
            changed = self._rng.integers(len(child), size=1 + self._rng.poisson(_CHANGES))
            child[changed] = ~child[changed]
            children.append((child, self._fits(self._bounds())))
        return self._made(children)

    def _made(self, wanted: list[tuple[NDArray[np.bool_], Callable[..., NDArray[np.bool_]]]]) -> NDArray[np.bool_]:
        """Return the distinct valid genomes that are made from wanted genomes within their bounds."""
        made = []
        for genome, fits in wanted:
            scores = 2.0 * genome + self._prior + self._rng.random(len(genome)) * 0.5
            made.append(largest_within(self._whole, scores, fits, multiple=self._multiple))
        valid = self._encoding.decode(self._encoding.encode(np.stack(made)))
        unique: NDArray[np.bool_] = np.unique(valid, axis=0)
        return unique

    def _fits(self, bounds: Mapping[str, float]) -> Callable[[NDArray[np.bool_]], NDArray[np.bool_]]:
        costs: CostModel = self._whole.costs
        return lambda genomes: np.logical_and.reduce(
            [getattr(costs, name)(genomes) <= bound for name, bound in bounds.items()]
        )
