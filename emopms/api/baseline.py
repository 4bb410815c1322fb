"""Slot ``baseline``: other ways to choose channels, with which a comparison compares the search of a spec."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from emopms.api.objective import Task
from emopms.component import Component

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

Allocation = Literal["uniform", "global", "best"]
"""How scores of channels become widths of layers (see `ScoredBaseline`)."""

_BATCH = 512
"""Calibration images per forward pass, as in the searches of a spec."""
_AT_ONCE = 32
"""Genomes that are measured together. An interrupted comparison measures so many again at most."""


@dataclass(frozen=True)
class PruningTask(Task):
    """The whole dense network, calibration images with their labels, and the bounds that a genome must meet.

    ``subnetwork`` is the whole network with its channel table and its costs, ``inputs`` are the images [N, C, H, W],
    ``references`` its class scores for them [N, classes], and ``criterion`` is the cross-entropy.
    """

    bounds: Mapping[str, int]
    """Largest allowed costs: ``macs``, ``params``, or both."""
    multiple: int
    """Pruned widths must be multiples of this number, or full."""
    rng: np.random.Generator
    """The only source of randomness."""

    @property
    def genes(self) -> int:
        """Length of a genome."""
        return self.subnetwork.channels.genes

    @property
    def evaluations(self) -> int:
        """Number of distinct genomes that `losses` has evaluated."""
        return len(self._known)

    def fits(self, genomes: NDArray[Any]) -> NDArray[Any]:
        """Return whether each genome [n, genes] is within all bounds, boolean [n]."""
        import numpy as np

        within = [getattr(self.subnetwork.costs, cost)(genomes) <= bound for cost, bound in self.bounds.items()]
        return np.logical_and.reduce(within)  # type: ignore[no-any-return]

    def losses(self, genomes: NDArray[Any]) -> NDArray[Any]:
        """Return the loss on the calibration images of each genome [n, genes], float [n]; infinite if it is not finite.

        Batch norm is re-estimated for each genome. No genome is evaluated twice.
        """
        import numpy as np

        new = {genome.tobytes(): genome for genome in genomes if genome.tobytes() not in self._known}
        for start in range(0, len(new), _AT_ONCE):
            some = list(new)[start : start + _AT_ONCE]
            self._known.update(zip(some, self.measure(np.stack([new[key] for key in some])).tolist(), strict=True))
        losses = np.array([self._known[genome.tobytes()] for genome in genomes])
        return np.where(np.isfinite(losses), losses, np.inf)

    def measure(self, genomes: NDArray[Any]) -> NDArray[Any]:
        """Return the losses of genomes [n, genes], measured anew, float [n]. Baselines call `losses`."""
        import numpy as np
        import torch

        from emopms.network import parallel_map

        evaluator = self.evaluator()

        def loss(genome: NDArray[Any]) -> float:
            total = torch.zeros((), device=self.labels.device)
            for inputs, references, labels in self.batches(_BATCH):
                scores = evaluator.run(inputs, genome)
                total += self.criterion(scores, references, labels).float() * len(labels) / len(self.labels)
            return float(total)

        return np.array(parallel_map(loss, genomes, self.device))

    @cached_property
    def _known(self) -> dict[bytes, float]:
        """Losses by the bytes of the genome."""
        return {}

    def largest_within(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Return the genome [genes] that keeps as many of the best channels of the network as the bounds allow.

        Channels are kept in the order of their scores until the next one does not fit. Then later ones are added that
        still fit, so that all methods are compared at the same costs. Every group and every layer keeps at least its
        best channel.

        Args:
            scores: Of each gene [genes]; higher is better.
        """
        import numpy as np

        from emopms.network.channels.encoding import Encoding

        scores = np.nan_to_num(np.asarray(scores, dtype=np.float64))
        order = np.argsort(-scores, kind="stable")
        ranks = np.empty(self.genes)
        ranks[order] = np.arange(self.genes, 0, -1)  # distinct, so that all that follows orders ties in the same way
        encoding = Encoding(self.subnetwork.channels, ranks, widths=True, multiple=self.multiple)

        def valid(genomes: NDArray[Any]) -> NDArray[Any]:
            genomes = self.subnetwork.repair(genomes, ranks)
            return genomes if self.multiple == 1 else encoding.decode(encoding.encode(genomes))

        def best(count: int) -> NDArray[Any]:
            genome = np.zeros((1, self.genes), dtype=np.bool_)
            genome[0, order[:count]] = True
            chosen: NDArray[Any] = valid(genome)[0]
            return chosen

        fitting, too_many = 0, self.genes + 1  # genomes of more channels contain those of fewer: costs never fall
        while too_many - fitting > 1:
            count = (fitting + too_many) // 2
            if self.fits(best(count)[None])[0]:
                fitting = count
            else:
                too_many = count
        genome = best(fitting)
        while True:
            wider = valid(self._widened(genome, ranks))
            wider = wider[self.fits(wider) & (wider & ~genome).any(axis=1) & ~(genome & ~wider).any(axis=1)]
            if not len(wider):
                return genome
            genome = wider[np.where(wider & ~genome, ranks, 0).max(axis=1).argmax()]

    def _widened(self, genome: NDArray[Any], ranks: NDArray[Any]) -> NDArray[Any]:
        """Return, for each group that is not full, the genome [genes] with its best dropped channels added [n, genes].

        They are as many as the multiple of widths asks for.
        """
        import math

        import numpy as np

        widened = [genome]
        for group in self.subnetwork.channels.groups:
            dropped = np.flatnonzero(~genome[group.genes]) + group.start
            unit = math.lcm(self.multiple, group.repeats) // group.repeats if self.multiple > 1 else 1
            if len(dropped):
                widened.append(genome.copy())
                widened[-1][dropped[np.argsort(-ranks[dropped])[:unit]]] = True
        return np.stack(widened)

    def ranked_by_layer(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Return the share of channels of its group that each channel [genes] is at least as good as, above 0 to 1.

        With these values as scores, `largest_within` prunes all layers by the same share.

        Args:
            scores: Of each gene [genes]; higher is better.
        """
        import numpy as np

        shares = np.empty(self.genes)
        for group in self.subnetwork.channels.groups:
            order = np.argsort(-np.nan_to_num(scores[group.genes]), kind="stable")
            shares[group.start + order] = 1 - np.arange(group.size) / group.size
        return shares


class Baseline(Component):
    """A method that chooses channels of a dense network for one target.

    A comparison prunes, recalibrates, fine-tunes and tests its choice exactly as it does those of the spec's search.
    """

    slot: ClassVar[str] = "baseline"

    @abstractmethod
    def prune(self, task: PruningTask) -> NDArray[Any]:
        """Return a genome, boolean [genes], that is within the bounds of the task; True keeps a channel.

        Every group and every layer must keep a channel (see `SubNetwork.repair`).

        Args:
            task: The dense network, calibration images and the bounds. The network must not be changed.
        """


class ScoredBaseline(Baseline):
    """A baseline that scores every channel once and keeps the channels with the best scores.

    `uniform` keeps the same share of all layers, and scores decide within a layer. `global` compares scores across all
    layers. `best` takes that of the two networks which has the lower loss on calibration images, before any training.
    """

    allocation: Allocation = "best"
    """How many channels each layer keeps. `uniform`: the same share of all layers. `global`: those with the best scores
    of the whole network. `best`: of these two, the one with the lower loss on calibration images."""

    @abstractmethod
    def scores(self, task: PruningTask) -> NDArray[Any]:
        """Return the score of each gene, numbers [genes]; higher is better.

        Args:
            task: The dense network, calibration images and the bounds. The network must not be changed.
        """

    def prune(self, task: PruningTask) -> NDArray[Any]:
        import numpy as np

        scores = self.scores(task)
        orders = {"uniform": lambda: task.ranked_by_layer(scores), "global": lambda: scores}
        chosen = ["uniform", "global"] if self.allocation == "best" else [self.allocation]
        genomes = np.stack([task.largest_within(orders[allocation]()) for allocation in chosen])
        best = 0 if len(genomes) == 1 else int(task.losses(genomes).argmin())
        genome: NDArray[Any] = genomes[best]
        return genome
