"""The largest genome that is within bounds: keeps channels in the order of scores until no further channel fits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from emopms.network.channels.encoding import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from emopms.network.partition.subnetwork import SubNetwork

    Fits = Callable[[NDArray[np.bool_]], NDArray[np.bool_]]


def largest_within(sub: SubNetwork, scores: NDArray[np.float64], fits: Fits, *, multiple: int = 1) -> NDArray[np.bool_]:
    """Return the genome [genes] that keeps as many of the channels with the best scores as the bounds allow.

    Channels are added in the order of their scores until the next channel would exceed a bound. Then channels with
    worse scores are added if they still fit. Every layer keeps at least its best channel, and so does every group: the
    channels of one layer, or of layers that must keep the same channels. If not even the smallest genome fits, it is
    returned.

    Args:
        sub: The sub-network, or the whole network.
        scores: The score of each gene [genes]; higher is better.
        fits: Returns for each genome [n, genes] whether it is within all bounds [n]. A genome that keeps all channels
            of another one, and more, must never fit if the other one does not.
        multiple: Each layer keeps a multiple of this number of channels, or all of its channels.
    """
    scores = np.nan_to_num(np.asarray(scores, dtype=np.float64))
    genes = sub.channels.genes
    order = np.argsort(-scores, kind="stable")
    ranks = np.empty(genes)
    ranks[order] = np.arange(genes, 0, -1)  # distinct, so that all that follows orders ties in the same way
    encoding = Encoding(sub.channels, ranks, widths=True, multiple=multiple)

    def valid(genomes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        genomes = sub.repair(genomes, ranks)
        return genomes if multiple == 1 else encoding.decode(encoding.encode(genomes))

    def best(count: int) -> NDArray[np.bool_]:
        genome = np.zeros((1, genes), dtype=np.bool_)
        genome[0, order[:count]] = True
        chosen: NDArray[np.bool_] = valid(genome)[0]
        return chosen

    fitting, too_many = 0, genes + 1
    while too_many - fitting > 1:
        count = (fitting + too_many) // 2
        if fits(best(count)[None])[0]:
            fitting = count
        else:
            too_many = count
    genome = best(fitting)
    while True:
        wider = valid(_widened(sub, genome, ranks, multiple))
        wider = wider[fits(wider) & (wider & ~genome).any(axis=1) & ~(genome & ~wider).any(axis=1)]
        if not len(wider):
            return genome
        genome = wider[np.where(wider & ~genome, ranks, 0).max(axis=1).argmax()]


def _widened(
    sub: SubNetwork, genome: NDArray[np.bool_], ranks: NDArray[np.float64], multiple: int
) -> NDArray[np.bool_]:
    """Return copies of a genome [genes] that keep more channels, boolean [n, genes]; the first copy is unchanged.

    There is one copy for each group that does not keep all of its channels. In this copy, the best dropped channels of
    the group are added: as many as ``multiple`` demands.
    """
    widened = [genome]
    for group in sub.channels.groups:
        dropped = np.flatnonzero(~genome[group.genes]) + group.start
        unit = math.lcm(multiple, group.repeats) // group.repeats if multiple > 1 else 1
        if len(dropped):
            widened.append(genome.copy())
            widened[-1][dropped[np.argsort(-ranks[dropped])[:unit]]] = True
    return np.stack(widened)
