"""Loss and accuracy of whole networks: plain ones, and joint schemes by way of their sub-networks."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from emopms.errors import RunError
from emopms.network.evaluator import Evaluator
from emopms.network.parallel import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.engine.data import ImageSet
    from emopms.network.device import Device
    from emopms.network.divided import DividedNetwork

_RUN = 8
"""Schemes that are measured one after another, so that they share what their first sub-networks make."""
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


class _Sum:
    """Adds up batches of class scores."""

    def __init__(self) -> None:
        self._loss, self._right, self._images = 0.0, 0, 0

    def add(self, scores: Tensor, labels: Tensor) -> None:
        self._loss += float(F.cross_entropy(scores.float(), labels, reduction="sum"))
        self._right += int((scores.argmax(dim=1) == labels).sum())
        self._images += len(labels)

    def score(self) -> Score:
        return Score(self._loss / self._images, self._right / self._images)


@torch.inference_mode()
def score(network: Callable[[Tensor], Tensor], images: ImageSet, device: Device, *, exact: bool = False) -> Score:
    """Measure a network as it stands, in its current mode.

    Args:
        exact: In fp32, as exported models run, for figures that are reported.
    """
    total = _Sum()
    with _fp32() if exact else device.autocast():
        for pixels, labels in images.batches(BATCH):
            total.add(network(pixels), labels)
    return total.score()


@torch.inference_mode()
def predictions(network: Callable[[Tensor], Tensor], images: ImageSet) -> NDArray[np.int64]:
    """The class [N] to which a network, as it stands, gives the highest score; in fp32, as exported models run."""
    with _fp32():
        found = [network(pixels).argmax(dim=1) for pixels, _ in images.batches(BATCH)]
    classes: NDArray[np.int64] = torch.cat(found).cpu().numpy()
    return classes


@contextmanager
def _fp32() -> Iterator[None]:
    """No TF32 in convolutions; elsewhere PyTorch uses none unless asked to."""
    before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


@torch.inference_mode()
def score_schemes(
    divided: DividedNetwork,
    genomes: Sequence[NDArray[np.bool_]],
    choices: NDArray[np.intp],
    images: ImageSet,
    device: Device,
    *,
    on_batch: Callable[[int], None] = lambda _: None,
) -> list[Score]:
    """Measure joint schemes on the real network, with batch norm re-estimated on each batch.

    Schemes are visited in an order in which neighbours share their first sub-networks, whose outputs are then
    computed once.

    Args:
        genomes: For each search its front points [p_i, genes_i].
        choices: For each scheme and search the point chosen [s, n].
        on_batch: Called with the number of schemes measured on one more batch of images.
    """
    evaluators = [Evaluator(part, divided.boundaries) for part in divided.parts]
    parts = len(evaluators)
    # By sub-network the point chosen in it and, where there are any, the point of the boundaries, which all share.
    paths = [[(int(own), *map(int, choice[parts:])) for own in choice[:parts]] for choice in choices]
    order = sorted(range(len(choices)), key=lambda scheme: [path[::-1] for path in paths[scheme]])
    totals = [_Sum() for _ in choices]

    def measure(run: Sequence[int], pixels: Tensor, labels: Tensor) -> None:
        features: list[Tensor] = [pixels]
        path: list[tuple[int, ...]] = []
        for scheme in run:
            wanted = paths[scheme]
            shared = next((i for i, (a, b) in enumerate(zip(path, wanted, strict=False)) if a != b), len(path))
            del features[shared + 1 :]
            for index in range(shared, parts):
                own, *boundaries = wanted[index]
                genome = [genomes[index][own], *(genomes[parts][point] for point in boundaries)]
                features.append(evaluators[index](features[index], np.concatenate(genome)))
            path = wanted
            totals[scheme].add(features[-1], labels)

    runs = [run.tolist() for run in np.array_split(order, -(-len(order) // _RUN))]
    for pixels, labels in images.batches(BATCH):
        side_by_side(lambda run: measure(run, pixels, labels), runs, device)  # noqa: B023  it is called at once
        on_batch(len(order))
    return [total.score() for total in totals]
