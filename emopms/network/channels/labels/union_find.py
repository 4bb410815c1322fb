"""Labels: merged into classes, some of them pinned for a reason."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]

FIXED = 0
"""The label of whatever is no channel: images, positions, constants."""


class UnionFind:
    """Union-find over labels, with the reason why a class is pinned.

    Classes that are pinned are not united: each keeps its own reason.
    """

    def __init__(self) -> None:
        self._parent: list[int] = [FIXED]
        self._reason: dict[int, str] = {FIXED: "it belongs to something that is no channel"}

    def fresh(self, count: int) -> Labels:
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def padded(self, labels: Labels, before: int, after: int) -> Labels:
        """Labels with padding at both ends."""
        padding = self.fresh(before + after)
        self.pin(padding, "it is padding")
        return np.concatenate([padding[:before], labels, padding[before:]])

    def root(self, label: int) -> int:
        while self._parent[label] != label:
            self._parent[label] = self._parent[self._parent[label]]
            label = self._parent[label]
        return label

    def roots(self, labels: Labels) -> list[int]:
        return [self.root(label) for label in labels.tolist()]

    def merge(self, left: Labels, right: Labels) -> None:
        """Tie labels pairwise; one that is pinned pins the other."""
        if left is right:
            return
        for first, second in zip(self.roots(left), self.roots(right), strict=True):
            one, other = sorted((self.root(first), self.root(second)))
            if one in self._reason:
                self._reason.setdefault(other, self._reason[one])
            elif other in self._reason:
                self._reason[one] = self._reason[other]
            else:
                self._parent[other] = one

    def pin(self, labels: Labels, reason: str) -> None:
        for root in set(self.roots(labels)):
            self._reason.setdefault(root, reason)

    def reason(self, label: int) -> str | None:
        """Why a label is pinned; None where it is free."""
        return self._reason.get(self.root(label))

    def is_free(self, labels: Labels) -> bool:
        """Whether any of the labels is not pinned."""
        return any(root not in self._reason for root in set(self.roots(labels)))

    def are_same(self, left: Labels, right: Labels) -> bool:
        """Whether as many of each class are among the one as among the other, so that they stay equally many."""
        return sorted(self.roots(left)) == sorted(self.roots(right))
