"""Slot ``baseline``: other pruning methods, with which `emopms compare` compares the search that a spec describes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from emopms.api.objective import Task
from emopms.component import Component
from emopms.documented import documented

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

Allocation = Literal["uniform", "global", "best"]
"""How the scores of channels decide the number of channels that each layer keeps (see `ScoredBaseline`)."""

_BATCH = 512
"""Number of calibration images per forward pass, the same as in the search that a spec describes."""
_AT_ONCE = 32
"""Number of genomes that are measured in one step. A comparison that was interrupted repeats at most one such step."""


@documented
@dataclass(frozen=True)
class PruningTask(Task):
    """What a baseline works on: the whole dense network, calibration images with labels, and bounds on the costs.

    ``subnetwork`` is the whole dense network, with the list of its channels and with its costs. ``inputs`` are the
    images [N, C, H, W], ``references`` are the class scores of the dense network for them [N, classes], and
    ``criterion`` is the cross-entropy. Dense means not pruned.
    """

    bounds: Mapping[str, int]
    """Largest allowed costs of the pruned network, by name of the cost: ``macs``, ``params``, or both."""
    multiple: int
    """Each layer must keep a multiple of this number of channels, or all of its channels."""
    rng: np.random.Generator
    """The only source of randomness."""

    @property
    def genes(self) -> int:
        """Length of a genome."""
        return self.subnetwork.channels.genes

    @property
    def evaluations(self) -> int:
        """Number of distinct genomes whose losses `losses` has measured."""
        return len(self._known)

    def fits(self, genomes: NDArray[Any]) -> NDArray[Any]:
        """Return for each genome [n, genes] whether its costs are within all bounds, boolean [n]."""
        import numpy as np

        within = [getattr(self.subnetwork.costs, cost)(genomes) <= bound for cost, bound in self.bounds.items()]
        return np.logical_and.reduce(within)  # type: ignore[no-any-return]

    def losses(self, genomes: NDArray[Any]) -> NDArray[Any]:
        """Return the loss on the calibration images, float [n], of the network pruned by each genome [n, genes].

        The loss is infinite if it is not a finite number. The batch-norm statistics are re-estimated for each genome.
        No genome is evaluated twice.
        """
        import numpy as np

        new = {genome.tobytes(): genome for genome in genomes if genome.tobytes() not in self._known}
        for start in range(0, len(new), _AT_ONCE):
            some = list(new)[start : start + _AT_ONCE]
            self._known.update(zip(some, self.measure(np.stack([new[key] for key in some])).tolist(), strict=True))
        losses = np.array([self._known[genome.tobytes()] for genome in genomes])
        return np.where(np.isfinite(losses), losses, np.inf)

    def measure(self, genomes: NDArray[Any]) -> NDArray[Any]:
        """Measure the losses of genomes [n, genes], float [n], even if they are known. Baselines call `losses`."""
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
        """The losses that were measured so far. The key of a loss is the genome as bytes."""
        return {}

    def largest_within(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Return the genome [genes] that keeps as many of the channels with the best scores as the bounds allow.

        Channels are added in the order of their scores until the next channel would exceed a bound. Then channels with
        worse scores are added if they still fit, so that all baselines are compared at nearly the same costs. Every
        layer keeps at least its best channel, and so does every group: the channels of one layer, or of layers that
        must keep the same channels.

        Args:
            scores: The score of each gene [genes]; higher is better.
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
        """Return copies of a genome [genes] that keep more channels, boolean [n, genes]; the first copy is unchanged.

        A group is the channels of one layer, or of layers that must keep the same channels. There is one copy for each
        group that does not keep all of its channels. In this copy, the best dropped channels of the group are added: as
        many as `multiple` demands.
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
        """Return scores that can be compared across layers, above 0 and up to 1 [genes].

        A group is the channels of one layer, or of layers that must keep the same channels. The new score of a channel
        is the share of the channels of its group that are not better. With these scores, `largest_within` drops about
        the same share of the channels of each layer.

        Args:
            scores: The score of each gene [genes]; higher is better.
        """
        import numpy as np

        shares = np.empty(self.genes)
        for group in self.subnetwork.channels.groups:
            order = np.argsort(-np.nan_to_num(scores[group.genes]), kind="stable")
            shares[group.start + order] = 1 - np.arange(group.size) / group.size
        return shares


class Baseline(Component):
    """A pruning method that chooses which channels of a dense network are kept, for one target of a spec.

    A target sets the bounds on the costs of the pruned network. A comparison prunes the network by the choice of this
    method. Then it re-estimates batch norm, fine-tunes and tests the network, exactly as after the search of the spec.
    """

    slot: ClassVar[str] = "baseline"

    @abstractmethod
    def prune(self, task: PruningTask) -> NDArray[Any]:
        """Return a genome, boolean [genes], whose costs are within the bounds of the task. True keeps a channel.

        Every layer must keep a channel, and so must every group of channels that are pruned together (see
        `SubNetwork.repair`).

        Args:
            task: The dense network, calibration images and the bounds. The network must not be changed.
        """


class ScoredBaseline(Baseline):
    """A baseline that gives every channel one score and keeps the channels with the best scores.

    The field `allocation` says how many channels each layer keeps. With `uniform`, all layers keep the same share of
    their channels, and scores are only compared within a layer. With `global`, scores are compared across all layers.
    With `best`, both networks are made, and the one with the lower loss on calibration images, before any training, is
    taken.
    """

    allocation: Allocation = "best"
    """How many channels each layer keeps. `uniform`: all layers keep the same share of their channels. `global`: the
    channels with the best scores of the whole network are kept. `best`: of these two networks, the one with the lower
    loss on calibration images is taken."""

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
