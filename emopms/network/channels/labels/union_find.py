"""Union-find over labels, in which classes can be pinned for a reason."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]

FIXED = 0
"""The label of indices that are no channels: images, positions, constants."""


class UnionFind:
    """Union-find over labels, with the reason why a class is pinned.

    Pinned classes are not united, so that each keeps its own reason.
    """

    def __init__(self) -> None:
        self._parent: list[int] = [FIXED]
        self._reason: dict[int, str] = {FIXED: "it belongs to something that is no channel"}

    def fresh(self, count: int) -> Labels:
        """Return new free labels [count]."""
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def padded(self, labels: Labels, before: int, after: int) -> Labels:
        """Return labels with pinned labels for padding at both ends."""
        padding = self.fresh(before + after)
        self.pin(padding, "it is padding")
        return np.concatenate([padding[:before], labels, padding[before:]])

    def root(self, label: int) -> int:
        """Return the representative of a label's class."""
        while self._parent[label] != label:
            self._parent[label] = self._parent[self._parent[label]]
            label = self._parent[label]
        return label

    def roots(self, labels: Labels) -> list[int]:
        """Return the representative of each label's class."""
        return [self.root(label) for label in labels.tolist()]

    def merge(self, left: Labels, right: Labels) -> None:
        """Merge the classes of labels pairwise; a pinned class pins the other."""
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
        """Pin the classes of labels, unless they are pinned already."""
        for root in set(self.roots(labels)):
            self._reason.setdefault(root, reason)

    def reason(self, label: int) -> str | None:
        """Return the reason why a label is pinned, or None if it is free."""
        return self._reason.get(self.root(label))

    def is_free(self, labels: Labels) -> bool:
        """Return whether any of the labels is not pinned."""
        return any(root not in self._reason for root in set(self.roots(labels)))

    def are_same(self, left: Labels, right: Labels) -> bool:
        """Return whether both hold the same number of labels of each class, so that their sizes stay equal.

        Pinned classes count as one, because their labels always stay.
        """
        first, second = (
            sorted(FIXED if root in self._reason else root for root in self.roots(labels)) for labels in (left, right)
        )
        return first == second
