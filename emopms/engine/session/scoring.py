"""Loss and accuracy of whole networks: of a single network, or of many pruned networks given by genomes."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from loguru import logger

from emopms.engine.results.score import Score
from emopms.engine.support.wording import counted
from emopms.network.inference.pool import EvaluatorPool
from emopms.network.runtime.device import fp32
from emopms.network.runtime.free_memory import split_on_oom
from emopms.network.runtime.parallel import parallel_map
from emopms.network.runtime.row_buffer import RowBuffer, allocate_or_spill

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.engine.images.image_sets import ImageSet
    from emopms.engine.storage.journal import Journal
    from emopms.network.inference.evaluator import Evaluator
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.network.runtime.device import Device

_CANDIDATES_PER_ENTRY = 32
"""Number of pruned networks that are measured together on a batch of images. One journal entry holds their results."""
BATCH = 512
"""Images per forward pass of a measurement. The batch is large because batch norm may be re-estimated on it."""


def guessing_loss(classes: int) -> float:
    """Return the cross-entropy of guessing, where all classes are equally probable.

    It is the loss of the reference point of hypervolumes.
    """
    return math.log(classes)


def _all_batches(images: ImageSet) -> list[tuple[Tensor, Tensor]]:
    """Return all batches (images, labels) of an image set. The images are on the device or, if its memory is too small,
    in main memory or in a file."""
    gathered, batches, start = RowBuffer(len(images), allocate_or_spill), [], 0
    for pixels, labels in images.batches(BATCH):
        gathered.add(pixels, rows := slice(start, start := start + len(pixels)))
        batches.append((rows, labels))
    assert gathered.tensor is not None
    return [(gathered.tensor[rows], labels) for rows, labels in batches]


def finite(losses: NDArray[np.float64], stage: str) -> NDArray[np.bool_]:
    """Return whether each network [n] has a finite loss. Log a warning if a loss is not finite."""
    found: NDArray[np.bool_] = np.isfinite(losses)
    if not found.all():
        logger.warning(
            "{}: left out because their loss is not finite: {}", stage, counted(int((~found).sum()), "network")
        )
    return found


def _sums(scores: Tensor, labels: Tensor) -> list[float]:
    """Return the sum of cross-entropies and the number of correct answers for class scores [N, classes] of a batch."""
    loss = F.cross_entropy(scores.float(), labels, reduction="sum")
    return [float(loss), float((scores.argmax(dim=1) == labels).sum())]


@torch.inference_mode()
def score(network: Callable[[Tensor], Tensor], images: ImageSet, device: Device, *, exact: bool = False) -> Score:
    """Return the score of a network. Batch norm is not re-estimated.

    Args:
        network: Maps images [N, C, H, W] to class scores [N, classes]. A module must be in eval mode.
        images: The images.
        device: The device. Its number format is used unless ``exact`` is true.
        exact: Whether to compute in fp32, as exported models do. Use it for figures that are reported.
    """
    with fp32() if exact else device.autocast():
        sums = [_sums(split_on_oom(network, pixels), labels) for pixels, labels in images.batches(BATCH)]
    loss, right = np.sum(sums, axis=0) / len(images)
    return Score(float(loss), float(right))


@torch.inference_mode()
def predictions(network: Callable[[Tensor], Tensor], images: ImageSet) -> NDArray[np.int64]:
    """Return the class [N] with the highest score for each image, computed in fp32 as in exported models."""
    return answers(network, images)[0]


def answers(network: Callable[[Tensor], Tensor], images: ImageSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the class [N] with the highest score for each image, as `predictions` does, and the labels [N]."""
    with fp32():
        found = [(split_on_oom(network, pixels).argmax(dim=1), labels) for pixels, labels in images.batches(BATCH)]
    given, right = (torch.cat(column).cpu().numpy() for column in zip(*found, strict=True))
    return given, right


class Scorer:
    """Measures pruned networks, with batch norm re-estimated on each batch.

    Networks whose genomes start with the same genes share activations, as in a search (see `EvaluatorPool`).

    Args:
        network: The whole network as one sub-network.
        images: The images.
        device: The device.
        int8: Whether the networks may run in int8 numbers.
        hold: Whether to keep the images in memory. If so, later calls can use the activations of earlier calls.
    """

    def __init__(
        self, network: SubNetwork, images: ImageSet, device: Device, *, int8: bool = True, hold: bool = False
    ) -> None:
        self._network, self._images, self._device, self._int8 = network, images, device, int8
        self._held = _all_batches(images) if hold else None
        self._evaluator: Evaluator | None = None

    def score(
        self,
        genomes: NDArray[np.bool_],
        journal: Journal | None = None,
        *,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> list[Score]:
        """Measure candidates, and return the score of each candidate.

        Args:
            genomes: Boolean [n, genes].
            journal: Holds the measurements of an interrupted attempt, and receives the measurements of this attempt.
            on_batch: Called after each batch of images, with the number of candidates that were measured on the batch.
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
        """Return the evaluator that runs the pruned networks. It is made from the first batch of images, which sets the
        int8 scales.

        The evaluator is made even if the journal holds all measurements of the first batch, because later batches need
        the same scales.
        """
        if self._evaluator is None:
            cached_images = len(self._images) if self._held else len(pixels)
            pool = EvaluatorPool(self._network, pixels, self._device, cached_images=cached_images)
            self._evaluator = pool.get(int8=self._int8)
            logger.debug("whole networks run {}", *pool.notes)
        return self._evaluator
