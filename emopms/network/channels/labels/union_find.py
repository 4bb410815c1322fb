"""Merges labels. A label is an integer that stands for a set of indices that are kept or dropped together.

Labels that were merged form a class, and all indices of a class are kept or dropped together. A class can be pinned,
which means that its indices are never pruned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]

FIXED = 0
"""The label of all indices that are never pruned because they are not channels: images, positions, constants."""


class UnionFind:
    """Classes of labels: all tensor indices with labels of one class are kept or dropped together.

    To merge two labels makes one class of their two classes. A pinned class is never pruned, and has a reason for this.
    If two pinned classes are merged, they stay separate classes, so that each class keeps its own reason.
    """

    def __init__(self) -> None:
        self._parent: list[int] = [FIXED]
        self._reason: dict[int, str] = {FIXED: "it belongs to something that is no channel"}

    def fresh(self, count: int) -> Labels:
        """Return ``count`` new labels. Each stands for an index that may be pruned, and is not yet merged with another
        label."""
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def padded(self, labels: Labels, before: int, after: int) -> Labels:
        """Return ``labels`` with ``before`` new labels at the start and ``after`` new labels at the end.

        The new labels stand for padding, which is never pruned.
        """
        padding = self.fresh(before + after)
        self.pin(padding, "it is padding")
        return np.concatenate([padding[:before], labels, padding[before:]])

    def root(self, label: int) -> int:
        """Return the representative of a label's class: one label that stands for all labels merged with it."""
        while self._parent[label] != label:
            self._parent[label] = self._parent[self._parent[label]]
            label = self._parent[label]
        return label

    def roots(self, labels: Labels) -> list[int]:
        """Return, for each label, the one label that stands for all labels merged with it."""
        return [self.root(label) for label in labels.tolist()]

    def merge(self, left: Labels, right: Labels) -> None:
        """Merge the labels at the same position in two arrays. If one of two is never pruned, neither is pruned."""
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
        """Mark labels, and all labels merged with them, as never pruned. A label keeps its first reason."""
        for root in set(self.roots(labels)):
            self._reason.setdefault(root, reason)

    def reason(self, label: int) -> str | None:
        """Return the reason why the indices of a label are never pruned, or None if they may be pruned."""
        return self._reason.get(self.root(label))

    def is_free(self, labels: Labels) -> bool:
        """Return whether the indices of at least one of the labels may be pruned."""
        return any(root not in self._reason for root in set(self.roots(labels)))

    def are_same(self, left: Labels, right: Labels) -> bool:
        """Return whether two arrays hold equally many labels of each class, which is a set of merged labels.

        If they do, pruning drops equally many indices from both. All classes that are never pruned are treated as one
        class, because pruning drops none of their indices.
        """
        first, second = (
            sorted(FIXED if root in self._reason else root for root in self.roots(labels)) for labels in (left, right)
        )
        return first == second
