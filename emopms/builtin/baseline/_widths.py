"""Makes genomes from the widths of layers (their numbers of channels), for baselines that search these widths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class Widths:
    """Makes genomes from relative widths of layers. In each layer, the filters with the largest L1 norms are kept.

    A relative width is the share of its channels that a layer keeps, before all shares are scaled to meet the bounds.

    Args:
        task: The network, and the bounds on its costs.
    """

    def __init__(self, task: PruningTask) -> None:
        from emopms.builtin.baseline.l1 import L1

        self._task = task
        self._shares = task.ranked_by_layer(L1().scores(task))

    @property
    def layers(self) -> int:
        """Number of widths to choose: one per layer, or one for several layers that must keep the same channels."""
        return len(self._task.subnetwork.channels.groups)

    def draw(self, least: float) -> NDArray[Any]:
        """Draw the share of channels that each layer keeps [layers], at random from ``least`` to 1."""
        return self._task.rng.uniform(least, 1.0, self.layers)

    def genome(self, widths: NDArray[Any]) -> NDArray[Any]:
        """Return the genome [genes] of these relative widths, all scaled so that the network just meets the bounds on
        its costs.

        Args:
            widths: The share of channels that each layer keeps [layers], above 0.
        """
        import numpy as np

        scores = np.empty(self._task.genes)
        for group, width in zip(self._task.subnetwork.channels.groups, widths, strict=True):
            scores[group.genes] = -(1 - self._shares[group.genes] + 1 / group.size) / width
        return self._task.largest_within(scores)
