"""Genomes by the widths of layers, for baselines that search widths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class Widths:
    """Makes genomes from relative widths of layers, in which the filters with the largest L1 norms stay.

    Args:
        task: The network and its bounds.
    """

    def __init__(self, task: PruningTask) -> None:
        from emopms.builtin.baseline.l1 import L1

        self._task = task
        self._shares = task.ranked_by_layer(L1().scores(task))

    @property
    def layers(self) -> int:
        """Number of groups of channels."""
        return len(self._task.subnetwork.channels.groups)

    def draw(self, least: float) -> NDArray[Any]:
        """Draw relative widths [layers] from ``least`` to 1."""
        return self._task.rng.uniform(least, 1.0, self.layers)

    def genome(self, widths: NDArray[Any]) -> NDArray[Any]:
        """Return the genome [genes] whose layers have these widths, all scaled so that the bounds are just met.

        Args:
            widths: Relative widths of the groups [layers], above 0.
        """
        import numpy as np

        scores = np.empty(self._task.genes)
        for group, width in zip(self._task.subnetwork.channels.groups, widths, strict=True):
            scores[group.genes] = -(1 - self._shares[group.genes] + 1 / group.size) / width
        return self._task.largest_within(scores)
