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
        layer keeps at least its best channel, or as many of its best channels as the spec's limits demand. So does
        every group: the channels of one layer, or of layers that must keep the same channels.

        Args:
            scores: The score of each gene [genes]; higher is better.
        """
        from emopms.network.partition.largest_within import largest_within

        return largest_within(self.subnetwork, scores, self.fits, multiple=self.multiple)

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

        Every layer must keep a channel, or as many as the spec's limits demand, and so must every group of channels
        that are pruned together (see `SubNetwork.repair`).

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
        """Return the score of each gene, finite numbers [genes]; higher is better.

        Args:
            task: The dense network, calibration images and the bounds. The network must not be changed.
        """

    def prune(self, task: PruningTask) -> NDArray[Any]:
        import numpy as np

        scores: NDArray[Any] = np.asarray(self.scores(task), dtype=np.float64)
        if scores.shape != (task.genes,):
            raise ValueError(f"scores returned an array of shape {list(scores.shape)} instead of [{task.genes}]")
        wrong = scores[~np.isfinite(scores)]
        if len(wrong):
            raise ValueError(
                f"scores returned {wrong[0]} for {len(wrong)} of {task.genes} genes: no channel can be ranked by it"
            )
        chosen = ["uniform", "global"] if self.allocation == "best" else [self.allocation]
        orders = [task.ranked_by_layer(scores) if each == "uniform" else scores for each in chosen]
        genomes = np.stack([task.largest_within(order) for order in orders])
        best = 0 if len(genomes) == 1 else int(task.losses(genomes).argmin())
        genome: NDArray[Any] = genomes[best]
        return genome
