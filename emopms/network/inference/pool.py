"""Makes the evaluators of one search. An evaluator runs pruned sub-networks in one number format, with one cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.network.inference.activation_cache import ActivationCache
from emopms.network.inference.precision import choose_evaluator
from emopms.network.runtime.free_memory import memory_budget

if TYPE_CHECKING:
    from torch import Tensor

    from emopms.network.inference.evaluator import Evaluator
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.network.runtime.device import Device


class EvaluatorPool:
    """Makes evaluators of one sub-network when they are requested. Equal requests get the same evaluator.

    Args:
        subnetwork: The sub-network whose candidates are run.
        inputs: Inputs of the sub-network [N, …]. On these, int8 is calibrated and compared with floating point.
        device: The device on which candidates run. It decides which number formats are considered.
        cached_images: Number of images in all batches together whose activations are cached. With 0 there is no cache.
            Use a cache only if the same tensor objects are passed to the evaluator again.
    """

    def __init__(self, subnetwork: SubNetwork, inputs: Tensor, device: Device, *, cached_images: int) -> None:
        self._subnetwork, self._inputs, self._device = subnetwork, inputs, device
        self._cached_images = cached_images
        self._chosen: dict[tuple[bool, bool], tuple[Evaluator, str]] = {}

    def get(self, *, batch_statistics: bool = True, int8: bool = True) -> Evaluator:
        """Return the evaluator for these arguments. The first call with the same arguments makes it.

        Args:
            batch_statistics: Whether batch norm is re-estimated on each batch. Otherwise the dense network's running
                statistics are used.
            int8: Whether int8 may be used. `choose_evaluator` decides whether it is used.
        """
        request = batch_statistics, int8
        if request not in self._chosen:
            room = memory_budget(self._device.type) if self._cached_images else 0
            self._chosen[request] = choose_evaluator(
                self._subnetwork,
                self._inputs,
                self._device,
                ActivationCache(room, self._cached_images),
                batch_statistics=batch_statistics,
                int8=int8,
            )
        return self._chosen[request][0]

    @property
    def notes(self) -> list[str]:
        """A text for each evaluator made so far: its number format, and the reason for this format."""
        return [why for _, why in self._chosen.values()]
