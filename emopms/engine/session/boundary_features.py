"""The cache of the dense network's features at the split points."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class BoundaryFeatures:
    """Features f_i of the calibration images at the split points of the dense network. One search stores them for the
    next.

    The cache saves a forward pass through all earlier sub-networks. No result depends on the cache: a search that finds
    no features here computes the same features itself.
    """

    def __init__(self) -> None:
        self._features: dict[int, Tensor] = {}

    def put(self, index: int, features: Tensor) -> None:
        """Store the input features [N, …] of the sub-network with the number ``index``, counted from 0."""
        self._features[index] = features

    def take(self, index: int) -> Tensor | None:
        """Return the input features [N, …] of a sub-network, and remove them from the cache; None if they are not
        stored."""
        return self._features.pop(index, None)
