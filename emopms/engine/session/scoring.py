"""Loss and accuracy of whole networks: of a network as it is, or of pruned networks by their genomes."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from loguru import logger

from emopms.engine.results.score import Score
from emopms.errors import RunError
from emopms.network.inference.pool import EvaluatorPool
from emopms.network.runtime.device import fp32
from emopms.network.runtime.free_memory import split_on_oom
from emopms.network.runtime.parallel import parallel_map
from emopms.network.runtime.row_buffer import RowBuffer, allocate_or_spill

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.engine.session.data import ImageSet
    from emopms.engine.storage.journal import Journal
    from emopms.network.inference.evaluator import Evaluator
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.network.runtime.device import Device

_CANDIDATES_PER_ENTRY = 32
"""Candidates whose class scores are held at a time; they share one entry of the journal."""
BATCH = 512
"""Images per forward pass when measuring; large, because batch norm may be re-estimated on each batch."""


def guessing_loss(classes: int) -> float:
    """Return the cross-entropy of guessing, which is the reference point's loss of a hypervolume."""
    return math.log(classes)


def require_knowledge(measured: Score, *, classes: int, images: int, what: str, remedy: str) -> None:
    """Refuse a network that is no better than guessing, as far as the number of images allows to tell.

    Raises:
        RunError: Its accuracy is within three standard deviations of chance.
    """
    chance = 1 / classes
    limit = min(chance + 3 * math.sqrt(chance * (1 - chance) / images), (1 + chance) / 2)
    if not measured.accuracy >= limit:
        raise RunError(
            f"{what} is no better than guessing: {measured.accuracy:.1%} of {images} validation images right, "
            f"of {classes} classes (loss {measured.loss:.3g}).",
            remedy=remedy,
        )


def _held(images: ImageSet) -> list[tuple[Tensor, Tensor]]:
    """Return all batches, stored in device memory, main memory or a file, whichever has room."""
    gathered, batches, start = RowBuffer(len(images), allocate_or_spill), [], 0
    for pixels, labels in images.batches(BATCH):
        gathered.add(pixels, rows := slice(start, start := start + len(pixels)))
        batches.append((rows, labels))
    assert gathered.tensor is not None
    return [(gathered.tensor[rows], labels) for rows, labels in batches]


def finite(losses: NDArray[np.float64], stage: str) -> NDArray[np.bool_]:
    """Return which networks [n] have a finite loss, and log a warning if some have none."""
    found: NDArray[np.bool_] = np.isfinite(losses)
    if not found.all():
        logger.warning("{}: {} networks have no finite loss and are left out", stage, int((~found).sum()))
    return found


def _sums(scores: Tensor, labels: Tensor) -> list[float]:
    """Return the sum of cross-entropies and the number of correct classifications of a batch of class scores."""
    loss = F.cross_entropy(scores.float(), labels, reduction="sum")
    return [float(loss), float((scores.argmax(dim=1) == labels).sum())]


@torch.inference_mode()
def score(network: Callable[[Tensor], Tensor], images: ImageSet, device: Device, *, exact: bool = False) -> Score:
    """Measure a network as it is, in eval mode.

    Args:
        exact: Compute in fp32, as exported models run, for figures that are reported.
    """
    with fp32() if exact else device.autocast():
        sums = [_sums(split_on_oom(network, pixels), labels) for pixels, labels in images.batches(BATCH)]
    loss, right = np.sum(sums, axis=0) / len(images)
    return Score(float(loss), float(right))


@torch.inference_mode()
def predictions(network: Callable[[Tensor], Tensor], images: ImageSet) -> NDArray[np.int64]:
    """Return the class [N] with the highest score for each image, computed in fp32, as exported models run."""
    with fp32():
        found = [split_on_oom(network, pixels).argmax(dim=1) for pixels, _ in images.batches(BATCH)]
    classes: NDArray[np.int64] = torch.cat(found).cpu().numpy()
    return classes


class Scorer:
    """Measures pruned networks, with batch norm re-estimated on each batch.

    They run as candidates do in a search (see `EvaluatorPool`): genomes that start with the same genes share
    activations.

    Args:
        network: The whole network as one sub-network.
        images: The images.
        device: The device.
        int8: Whether int8 may be used.
        hold: Hold the images in memory, so that activations of earlier calls can be used again.
    """

    def __init__(
        self, network: SubNetwork, images: ImageSet, device: Device, *, int8: bool = True, hold: bool = False
    ) -> None:
        self._network, self._images, self._device, self._int8 = network, images, device, int8
        self._held = _held(images) if hold else None
        self._evaluator: Evaluator | None = None

    def score(
        self,
        genomes: NDArray[np.bool_],
        journal: Journal | None = None,
        *,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> list[Score]:
        """Measure candidates and return one score each.

        Args:
            genomes: Boolean [n, genes].
            journal: Holds the measurements of an interrupted attempt, and gets those of this one.
            on_batch: Called with the number of candidates measured on one more batch of images.
        """
        totals = np.zeros((len(genomes), 2))
        order = np.lexsort(genomes.T[::-1])  # neighbours start with the same genes
        chunks = [order[start : start + _CANDIDATES_PER_ENTRY] for start in range(0, len(order), _CANDIDATES_PER_ENTRY)]
        for batch, (pixels, labels) in enumerate(self._held or self._images.batches(BATCH)):
            pixels = pixels.to(labels.device, non_blocking=True)
            run = partial(self._evaluator_for(pixels).run, pixels)
            for number, some in enumerate(chunks, start=batch * len(chunks)):
                entry = journal.get(number) if journal else None
                if entry is None:
                    sums = [_sums(scores, labels) for scores in parallel_map(run, genomes[some], self._device)]
                    entry = {"sums": torch.tensor(sums, dtype=torch.float64)}
                    if journal:
                        journal.put(number, entry)
                totals[some] += entry["sums"].numpy()
            on_batch(len(order))
        return [Score(float(loss), float(right)) for loss, right in totals / len(self._images)]

    def _evaluator_for(self, pixels: Tensor) -> Evaluator:
        """Return the evaluator, which is made for the first batch: its int8 scales decide what all networks compute.

        That holds even if the journal knows all scores of the first batch.
        """
        if self._evaluator is None:
            cached_images = len(self._images) if self._held else len(pixels)
            pool = EvaluatorPool(self._network, pixels, self._device, cached_images=cached_images)
            self._evaluator = pool.get(int8=self._int8)
            logger.debug("whole networks run {}", *pool.notes)
        return self._evaluator
