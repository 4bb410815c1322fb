"""Slot ``objective``: what the search minimises."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.component import Component

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.network.inference.evaluator import Evaluator
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.network.runtime.device import Device


@dataclass(frozen=True)
class Task:
    """One sub-network's search: all that its candidates are judged with. Inputs are computed once and kept."""

    subnetwork: SubNetwork
    """All stages share it: copy its modules before they are changed."""
    inputs: Tensor
    """Calibration features f_{i−1} [N, …] that enter the sub-network; in main memory where the device has no room."""
    references: Tensor
    """What the dense sub-network makes of them, f_i [N, …]; likewise."""
    labels: Tensor
    """[N], class numbers; for unlabelled images what the dense network as given predicts."""
    criterion: nn.Module
    """The selector's judge S_i, called as ``judge(features, references, labels)`` → mean loss."""
    device: Device
    tail: Callable[[Tensor], Tensor]
    """The dense rest of the network: features [N, …] behind the sub-network → class scores [N, classes]. Its batch
    norms are re-estimated on each batch."""

    def evaluator(self, *, batch_statistics: bool = True, int8: bool = True) -> Evaluator:
        """What runs candidates, always the same one (see `emopms.network.inference.evaluator.Evaluator`).

        Args:
            int8: Convolve in eight bits where that is faster and hardly matters (see `choose_evaluator`).
        """
        return self._evaluator(batch_statistics, int8)[0]

    def how(self) -> list[str]:
        """How candidates have been run, and why so."""
        return [why for _, why in self._evaluators.values()]

    def _evaluator(self, batch_statistics: bool, int8: bool) -> tuple[Evaluator, str]:
        from emopms.network.inference.activation_cache import ActivationCache
        from emopms.network.inference.precision import choose_evaluator
        from emopms.network.runtime.free_memory import memory_budget

        chosen = batch_statistics, int8
        if chosen not in self._evaluators:
            self._evaluators[chosen] = choose_evaluator(
                self.subnetwork,
                self.inputs,
                self.device,
                ActivationCache(
                    memory_budget(self.device.type) if self.inputs.device == self.labels.device else 0, len(self.labels)
                ),
                batch_statistics=batch_statistics,
                int8=int8,
            )
        return self._evaluators[chosen]

    @cached_property
    def _evaluators(self) -> dict[tuple[bool, bool], tuple[Evaluator, str]]:
        return {}

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """(inputs, references, labels) in batches of equal size, at most ``size``, on the device.

        Equal, because batch norm is re-estimated on each batch: a short last one would distort it. The same tensors
        each time, unless they are too large to be kept on the device.
        """
        parts = max(1, -(-len(self.labels) // size))
        if parts not in self._batches:
            bounds = [part * len(self.labels) // parts for part in range(parts + 1)]
            self._batches[parts] = [
                (self.inputs[start:stop], self.references[start:stop], self.labels[start:stop])
                for start, stop in pairwise(bounds)
            ]
        for inputs, references, labels in self._batches[parts]:
            device = labels.device
            yield inputs.to(device, non_blocking=True), references.to(device, non_blocking=True), labels

    @cached_property
    def _batches(self) -> dict[int, list[tuple[Tensor, Tensor, Tensor]]]:
        return {}


class Objective(Component):
    """A quality of candidates to minimise, such as the selector's loss."""

    slot: ClassVar[str] = "objective"

    measured: ClassVar[bool] = False
    """Whether values depend on the machine and the moment, as times do. They are then stored for one device."""

    @property
    def in_floating_point(self) -> bool:
        """Whether nothing shall be computed in eight bits, whole networks included."""
        return False

    @abstractmethod
    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        """Judge a population.

        Args:
            genomes: Distinct candidates, boolean [n, genes], True keeps a channel.
            task: What they are judged with.

        Returns:
            One float a candidate [n]; lower is better. A candidate for which it is NaN or infinite fails: it is counted
            and never on a front. When anything is raised, candidates are asked about one by one, and those fail for
            which it is raised again.
        """


class Cost(Objective):
    """An objective that says how much of the network remains.

    Sums over sub-networks predict what joint schemes cost; those chosen by prediction are asked about again, as whole
    networks.
    """
