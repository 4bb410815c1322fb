"""The evaluators of one search: which precision each one uses, and the cache it has."""

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
    """Makes evaluators of one sub-network on demand, and always returns the same one for the same request.

    Args:
        subnetwork: The sub-network whose candidates are run.
        inputs: Its inputs [N, …], on which int8 is calibrated and compared with floating point.
        device: The device, which decides which number formats are considered.
        cached_images: Number of images whose activations are cached, in all batches together; 0 for no cache. Use a
            cache only if the same tensor objects are passed to the evaluator again.
    """

    def __init__(self, subnetwork: SubNetwork, inputs: Tensor, device: Device, *, cached_images: int) -> None:
        self._subnetwork, self._inputs, self._device = subnetwork, inputs, device
        self._cached_images = cached_images
        self._chosen: dict[tuple[bool, bool], tuple[Evaluator, str]] = {}

    def get(self, *, batch_statistics: bool = True, int8: bool = True) -> Evaluator:
        """Return the evaluator for a request; make it at the first call.

        Args:
            batch_statistics: As in `Evaluator`.
            int8: Whether int8 may be used (see `choose_evaluator`).
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
        """One sentence part for each evaluator made so far: its number format, and the reason for it."""
        return [why for _, why in self._chosen.values()]
