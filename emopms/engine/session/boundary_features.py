"""The cache of dense features at the splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class BoundaryFeatures:
    """Dense features f_i of the calibration images, passed from the search of one sub-network to that of the next.

    It saves a forward pass of everything before a sub-network. Nothing depends on it: a search that finds nothing here
    computes the same features itself.
    """

    def __init__(self) -> None:
        self._features: dict[int, Tensor] = {}

    def put(self, index: int, features: Tensor) -> None:
        """Keep the features [N, …] that enter the sub-network ``index``, counted from 0."""
        self._features[index] = features

    def take(self, index: int) -> Tensor | None:
        """Return the features that enter a sub-network and forget them; None where they are not known."""
        return self._features.pop(index, None)
