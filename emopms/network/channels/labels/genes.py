"""Turns labels into genes, when all values of a sub-network have their labels."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from emopms.network.channels.limits import NO_LIMITS
from emopms.network.channels.table import Cover, Group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.network.channels.labels.union_find import Labels, UnionFind
    from emopms.network.channels.limits import Limits


class Genes:
    """The genes of a sub-network: one for each label of a layer's output channels that may be pruned.

    Args:
        union: All labels of the sub-network. Those that the limits keep are pinned.
        makers: Paths of convolutions and linear layers in the order of execution, each with the labels of its output
            channels.
        limits: What layers keep.
        only: Labels that may become genes; None if all may.
    """

    def __init__(
        self, union: UnionFind, makers: Sequence[tuple[str, Labels]], limits: Limits, only: Sequence[Labels] | None
    ) -> None:
        self._union = union
        self._only = None if only is None else {root for labels in only for root in union.roots(labels)}
        self._made = [(name, Counter(union.roots(labels))) for name, labels in makers]
        self.prunable = tuple(dict.fromkeys(name for name, made in self._made if self._free(made)))
        """Paths of the layers whose output channels could be pruned without limits."""
        kept = {name: pattern for name in self.prunable if (pattern := limits.pattern_for(name)) is not None}
        self._pin(limits, kept)
        self.groups: tuple[Group, ...] = ()
        """The prunable channels of each layer. Channels that several layers share belong to the first."""
        self.pinned: dict[str, str] = {}
        """Paths of layers whose output channels are never pruned, each with the reason."""
        self._gene_of: dict[int, int] = {}
        for name, made in self._made:
            own = {root: count for root, count in self._free(made).items() if root not in self._gene_of}
            if own:
                first = len(self._gene_of)
                self.groups += (Group(name, first, len(own), repeats=max(own.values())),)
                self._gene_of.update(zip(own, range(first, first + len(own)), strict=True))
            elif name in kept:
                self.pinned[name] = f"{_setting(kept[name])} matches it"
            elif reasons := Counter(reason for root in made.elements() if (reason := union.reason(root))):
                self.pinned[name] = reasons.most_common(1)[0][0]
        self.limited = tuple(sorted(self._covers(limits), key=lambda cover: len(cover.bits)))
        """What the limits demand of single layers (see `Channels.limited`)."""

    def of(self, labels: Labels) -> Labels:
        """Return the gene of each label, or -1 for a label whose indices are always kept."""
        return np.array([self._gene_of.get(root, -1) for root in self._union.roots(labels)], dtype=np.int64)

    def _free(self, made: Mapping[int, int]) -> dict[int, int]:
        """Return those labels of a layer that may be pruned, each with the number of its channels."""
        return {
            root: count
            for root, count in made.items()
            if self._union.reason(root) is None and (self._only is None or root in self._only)
        }

    def _pin(self, limits: Limits, kept: Mapping[str, str]) -> None:
        """Pin the labels of layers that keep all of their channels, and so those of layers that share them."""
        if limits == NO_LIMITS:
            return
        for name, made in self._made:
            if name in kept:
                free = self._free(made)
                why = f"it keeps the same channels as {name}, which {_setting(kept[name])} matches"
                self._union.pin(np.array([*free]), why)
        for _, made in self._made:
            free = self._free(made)
            if free and limits.least(channels := sum(free.values())) > channels - min(free.values()):
                self._union.pin(np.array([*free]), limits.reason(channels))

    def _covers(self, limits: Limits) -> list[Cover]:
        """Return the genes of each layer that the limits concern, with the number of channels to keep."""
        if limits == NO_LIMITS:
            return []
        found: dict[bytes, Cover] = {}
        for _, made in self._made:
            own = {self._gene_of[root]: count for root, count in made.items() if root in self._gene_of}
            if least := limits.least(sum(own.values())):
                genes = np.array(sorted(own), dtype=np.int64)
                channels = np.array([own[gene] for gene in genes.tolist()], dtype=np.int64)
                found[genes.tobytes() + channels.tobytes()] = Cover(genes, channels, least)
        return list(found.values())


def _setting(pattern: str) -> str:
    return f"{pattern!r} under `genome: {{keep: …}}`"
