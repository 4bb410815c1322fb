"""Loss and accuracy of whole networks: plain ones, and pruned ones by their genomes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from loguru import logger

from emopms.errors import RunError
from emopms.network.inference.activation_cache import ActivationCache
from emopms.network.inference.precision import choose_evaluator
from emopms.network.runtime.device import fp32
from emopms.network.runtime.free_memory import memory_budget, split_on_oom
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

_AT_ONCE = 32
"""Candidates whose class scores are held at a time, and written down together."""
BATCH = 512
"""Images a forward pass when measuring; large, because batch norm may be re-estimated on each batch."""


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy and share of right answers."""

    loss: float
    accuracy: float


def guessing_loss(classes: int) -> float:
    """Cross-entropy of a network that knows nothing: where the loss axis of a hypervolume ends."""
    return math.log(classes)


def require_knowledge(measured: Score, *, classes: int, images: int, what: str, remedy: str) -> None:
    """Refuse a network that is no better than guessing, as far as so many images can tell.

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
    """All batches, where there is room for them."""
    gathered, batches, start = RowBuffer(len(images), allocate_or_spill), [], 0
    for pixels, labels in images.batches(BATCH):
        gathered.add(pixels, rows := slice(start, start := start + len(pixels)))
        batches.append((rows, labels))
    assert gathered.tensor is not None
    return [(gathered.tensor[rows], labels) for rows, labels in batches]


def finite(losses: NDArray[np.float64], stage: str) -> NDArray[np.bool_]:
    """Which networks [n] have a loss; a line says how many have none."""
    found: NDArray[np.bool_] = np.isfinite(losses)
    if not found.all():
        logger.warning("{}: {} networks have no finite loss and are left out", stage, int((~found).sum()))
    return found


def _sums(scores: Tensor, labels: Tensor) -> list[float]:
    """Of a batch of class scores: the cross-entropies of all images, added up, and how many are right."""
    loss = F.cross_entropy(scores.float(), labels, reduction="sum")
    return [float(loss), float((scores.argmax(dim=1) == labels).sum())]


@torch.inference_mode()
def score(network: Callable[[Tensor], Tensor], images: ImageSet, device: Device, *, exact: bool = False) -> Score:
    """Measure a network as it stands, in eval mode.

    Args:
        exact: In fp32, as exported models run, for figures that are reported.
    """
    with fp32() if exact else device.autocast():
        sums = [_sums(split_on_oom(network, pixels), labels) for pixels, labels in images.batches(BATCH)]
    loss, right = np.sum(sums, axis=0) / len(images)
    return Score(float(loss), float(right))


@torch.inference_mode()
def predictions(network: Callable[[Tensor], Tensor], images: ImageSet) -> NDArray[np.int64]:
    """The class [N] to which a network, as it stands, gives the highest score; in fp32, as exported models run."""
    with fp32():
        found = [split_on_oom(network, pixels).argmax(dim=1) for pixels, _ in images.batches(BATCH)]
    classes: NDArray[np.int64] = torch.cat(found).cpu().numpy()
    return classes


class Scorer:
    """Measures pruned networks, with batch norm re-estimated on each batch.

    They run as candidates do in a search (see `choose_evaluator`): what genomes that begin alike make is computed once.

    Args:
        network: The whole network.
        int8: Whether they may be used.
        hold: Hold the images, so that what was made of them is still known when more networks are measured.
    """

    def __init__(
        self, network: SubNetwork, images: ImageSet, device: Device, *, int8: bool = True, hold: bool = False
    ) -> None:
        self._network, self._images, self._device, self._eight_bits = network, images, device, int8
        self._held = _held(images) if hold else None
        self._evaluator: Evaluator | None = None

    def __call__(
        self,
        genomes: NDArray[np.bool_],
        journal: Journal | None = None,
        *,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> list[Score]:
        """Measure candidates [n, genes].

        Args:
            journal: Holds what an interrupted attempt has measured of them, and what this one measures.
            on_batch: Called with the number of candidates measured on one more batch of images.
        """
        totals = np.zeros((len(genomes), 2))
        order = np.lexsort(genomes.T[::-1])  # neighbours begin alike
        chunks = [order[start : start + _AT_ONCE] for start in range(0, len(order), _AT_ONCE)]
        for batch, (pixels, labels) in enumerate(self._held or self._images.batches(BATCH)):
            pixels = pixels.to(labels.device, non_blocking=True)
            run = partial(self._evaluator_on(pixels), pixels)
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

    def _evaluator_on(self, pixels: Tensor) -> Evaluator:
        """Made for the first batch, whatever of it is known already: its scales decide what all networks compute."""
        if self._evaluator is None:
            kept = ActivationCache(memory_budget(self._device.type), len(self._images) if self._held else len(pixels))
            self._evaluator, why = choose_evaluator(
                self._network, pixels, self._device, kept, batch_statistics=True, int8=self._eight_bits
            )
            logger.info("whole networks are run {}", why)
        return self._evaluator
