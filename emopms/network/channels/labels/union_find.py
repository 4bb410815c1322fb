"""Union-find over labels. A class of labels can be pinned, which means that its indices are never pruned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]

FIXED = 0
"""The label of all indices that are never pruned because they are not channels: images, positions, constants."""


class UnionFind:
    """Classes of merged labels. A pinned class also has the reason why it is never pruned.

    If two pinned classes are merged, they stay separate classes, so that each class keeps its own reason.
    """

    def __init__(self) -> None:
        self._parent: list[int] = [FIXED]
        self._reason: dict[int, str] = {FIXED: "it belongs to something that is no channel"}

    def fresh(self, count: int) -> Labels:
        """Return new labels [count]. They are free: none of them is pinned."""
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def padded(self, labels: Labels, before: int, after: int) -> Labels:
        """Return ``labels`` with ``before`` new labels at the start and ``after`` new labels at the end.

        The new labels stand for padding. They are pinned.
        """
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
        """Merge the classes of two arrays of labels pairwise. If one class of a pair is pinned, pin the other too."""
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
        """Pin the classes of labels. A class that is pinned already keeps its first reason."""
        for root in set(self.roots(labels)):
            self._reason.setdefault(root, reason)

    def reason(self, label: int) -> str | None:
        """Return the reason why a label is pinned, or None if it is free."""
        return self._reason.get(self.root(label))

    def is_free(self, labels: Labels) -> bool:
        """Return whether at least one of the labels is not pinned."""
        return any(root not in self._reason for root in set(self.roots(labels)))

    def are_same(self, left: Labels, right: Labels) -> bool:
        """Return whether two arrays have the same number of labels of each class.

        If they do, pruning drops equally many indices from both. All pinned classes are treated as one class, because
        pruning drops none of their indices.
        """
        first, second = (
            sorted(FIXED if root in self._reason else root for root in self.roots(labels)) for labels in (left, right)
        )
        return first == second
