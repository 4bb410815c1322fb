"""Encodes genomes as the bit strings that a search varies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emopms.network.channels.table import Cover, ensure_covered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.network.channels.table import Channels


@dataclass(frozen=True)
class _Block:
    """The bits that stand for one channel group in a code. A code is a bit string that encodes a genome."""

    bits: slice
    """Positions of the channel group's bits in a code, the bit string that encodes a genome."""
    whole: int
    """Number of bits that stand for full units. A unit is a fixed number of genes of the channel group. If genes are
    left over after the last full unit, one more bit stands for them."""
    least: int
    """Least number of these bits that are set in a valid code."""

    def log10_codes(self, *, widths: bool) -> float:
        """Return the decimal logarithm of the number of ways to set these bits in a valid code."""
        lower = range(min(self.least, self.whole + 1))
        total, excluded = (
            (self.whole + 1, len(lower)) if widths else (2**self.whole, sum(math.comb(self.whole, n) for n in lower))
        )
        leftover = self.bits.stop - self.bits.start > self.whole
        return math.log10(total - excluded + leftover)


class Encoding:
    """Encodes genomes as codes. A code is a bit string that a search algorithm varies.

    A group is the prunable channels of one layer. The genes of a group are sorted by importance and divided in this
    order into units, and a code has one bit for each unit. The number of genes in a unit is the smallest number whose
    channels in the layer are a multiple of ``multiple``. Genes that are left over after the last full unit are kept
    only if the whole group is kept. With ``multiple`` 1 and without ``widths``, a code is the genome itself.

    Args:
        channels: The channel table of a sub-network.
        importance: Importance of each gene [genes]. Higher is more important.
        widths: Whether a group always keeps its most important channels. A code then only says how many units each
            group keeps: in a valid code, the first bits of each group are set, and the other bits are not.
        multiple: Each layer keeps a multiple of this number of channels, or all channels.
    """

    def __init__(
        self, channels: Channels, importance: NDArray[np.float64], *, widths: bool = False, multiple: int = 1
    ) -> None:
        self._widths = widths
        self._bit_of = np.zeros(channels.genes, dtype=np.int64)
        blocks: list[tuple[slice, int]] = []
        bits = 0
        for group in channels.groups:
            unit = math.lcm(multiple, group.repeats) // group.repeats
            ranks = np.arange(group.size)
            if widths or unit > 1:
                ranks[np.argsort(-importance[group.genes], kind="stable")] = np.arange(group.size)
            self._bit_of[group.genes] = bits + ranks // unit
            count = -(-group.size // unit)
            blocks.append((slice(bits, bits + count), group.size // unit or 1))
            bits += count
        self._sizes = np.bincount(self._bit_of, minlength=bits)
        self._importance = np.bincount(self._bit_of, weights=importance, minlength=bits) / self._sizes
        self._covers = [self._cover_of_bits(cover) for cover in channels.covers]
        least: dict[bytes, int] = {}
        for cover in self._covers:
            first = 1 + int(np.searchsorted(cover.channels.cumsum(), cover.least))
            key = cover.bits.tobytes()
            least[key] = max(first, least.get(key, 1))
        self._blocks = [_Block(own, whole, least[np.arange(own.start, own.stop).tobytes()]) for own, whole in blocks]

    @property
    def bits(self) -> int:
        """Number of bits of a code, the bit string that encodes a genome."""
        return len(self._sizes)

    @property
    def log10_space(self) -> float:
        """Decimal logarithm of the number of valid codes. `repair` says which codes are valid."""
        return sum(block.log10_codes(widths=self._widths) for block in self._blocks)

    @property
    def least(self) -> NDArray[np.bool_]:
        """The genome [genes] that keeps as few channels of each channel group as a valid code can (see `repair`)."""
        smallest: NDArray[np.bool_] = self.decode(self.repair(np.zeros((1, self.bits), dtype=np.bool_)))[0]
        return smallest

    def encode(self, genomes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return valid codes [n, bits] for genomes [n, genes].

        A code keeps as many units of genes of each channel group as the genome keeps, rounded to whole units.
        `Encoding` says what a unit is.
        """
        kept = np.zeros((len(genomes), self.bits))
        np.add.at(kept.T, self._bit_of, genomes.T)
        codes = np.zeros(kept.shape, dtype=np.bool_)
        for block in self._blocks:
            own, sizes = kept[:, block.bits], self._sizes[block.bits]
            total = own.sum(axis=1)
            units = np.where(total == sizes.sum(), len(sizes), np.rint(total / sizes[0]))
            fullest_first = np.argsort(-own / sizes, axis=1, kind="stable")
            codes[:, block.bits] = np.argsort(fullest_first, axis=1) < units[:, None]
        return self.repair(codes)

    def decode(self, codes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the genomes [n, genes] that valid codes [n, bits] encode. A code is a bit string."""
        return codes[:, self._bit_of]

    def repair(self, codes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return valid codes [n, bits] that are similar to the given codes.

        In a valid code, every channel group and every layer keeps enough channels (see `Channels.covers`), and the
        number of channels that each layer keeps is one that the arguments of `Encoding` allow.
        """
        repaired = codes.copy()
        for block in self._blocks:
            own = repaired[:, block.bits]
            if self._widths:
                own[:] = np.arange(own.shape[1]) < own.sum(axis=1, keepdims=True)
            else:
                own[:, block.whole :] &= own[:, : block.whole].all(axis=1, keepdims=True)
        ensure_covered(repaired, self._covers, self._importance)
        for block in self._blocks:  # a bit that was just set may require that the bits before it are set too
            own = repaired[:, block.bits]
            if self._widths:
                own[:] = np.logical_or.accumulate(own[:, ::-1], axis=1)[:, ::-1]
            else:
                own |= own[:, block.whole :].any(axis=1, keepdims=True)
        return repaired

    def _cover_of_bits(self, cover: Cover) -> Cover:
        """Return the cover in which bits of a code take the place of genes."""
        channels = np.bincount(self._bit_of[cover.bits], weights=cover.channels, minlength=self.bits).astype(np.int64)
        bits = np.flatnonzero(channels)
        return Cover(bits, channels[bits], cover.least)
