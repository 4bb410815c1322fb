"""Slot ``objective``: the values that the search minimises."""

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

    from emopms.network import Device, Evaluator, SubNetwork
    from emopms.network.inference.pool import EvaluatorPool


@dataclass(frozen=True)
class Task:
    """The search of one sub-network: its data, and the evaluators that run its candidates.

    Evaluators are made at the first request and then shared, by all objectives and all generations.
    """

    subnetwork: SubNetwork
    """The sub-network. All stages share it: copy its modules before you change them."""
    inputs: Tensor
    """Calibration features f_{i−1} [N, …] that enter the sub-network; in main memory if the device has no room."""
    references: Tensor
    """The dense sub-network's output for them, f_i [N, …]; in main memory if the device has no room."""
    labels: Tensor
    """Class numbers [N]; for unlabelled images, the predictions of the dense network as given."""
    criterion: nn.Module
    """The selector's criterion S_i, called as ``criterion(features, references, labels)`` → mean loss."""
    device: Device
    """The device on which candidates run, and its number formats."""
    tail: Callable[[Tensor], Tensor]
    """The dense rest of the network: features [N, …] behind the sub-network → class scores [N, classes]. Its batch
    norms are re-estimated on each batch."""

    def evaluator(self, *, batch_statistics: bool = True, int8: bool = True) -> Evaluator:
        """Return the evaluator that runs this task's candidates, always the same one for the same arguments.

        Call its ``run(inputs, genome)`` with the inputs of `batches`: for them it caches what candidates share.

        Args:
            batch_statistics: Re-estimate batch norm on each batch; otherwise use the dense network's statistics.
            int8: Convolve in int8 if that is faster and changes the dense sub-network's output by 1 % at most.
        """
        return self._pool.get(batch_statistics=batch_statistics, int8=int8)

    def precision_notes(self) -> list[str]:
        """Return, for each evaluator in use, its number format and the reason for it."""
        return self._pool.notes

    @cached_property
    def _pool(self) -> EvaluatorPool:
        from emopms.network.inference.pool import EvaluatorPool

        on_device = self.inputs.device == self.labels.device  # otherwise batches are copied, and no copy comes again
        return EvaluatorPool(
            self.subnetwork, self.inputs, self.device, cached_images=len(self.labels) if on_device else 0
        )

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (inputs, references, labels) in batches of equal size, at most ``size``, on the device.

        The sizes are equal because batch norm is re-estimated on each batch: a short last batch would distort it.
        Every call yields the same tensor objects, unless they are too large to be kept on the device.
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
        """Views of the tensors by number of batches, kept because evaluators know cached inputs by their identity."""
        return {}


class Objective(Component):
    """A property of candidates to minimise, such as the selector's loss."""

    slot: ClassVar[str] = "objective"

    measured: ClassVar[bool] = False
    """Whether values depend on the machine and the moment, as times do. They are then stored for one device."""

    @property
    def in_floating_point(self) -> bool:
        """Whether int8 must not be used, neither for sub-networks nor for whole networks."""
        return False

    @abstractmethod
    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        """Evaluate a population.

        Args:
            genomes: Distinct candidates, boolean [n, genes], True keeps a channel.
            task: The sub-network and the data to evaluate them with.

        Returns:
            One float a candidate [n]; lower is better. A candidate whose value is NaN or infinite fails: it is counted
            and never on a front. If the method raises, it is called again with one candidate at a time, and those
            candidates fail for which it raises again.
        """


class Cost(Objective):
    """An objective that says how much of the network remains.

    Sums over sub-networks predict what joint schemes cost. The schemes that are chosen by prediction are evaluated
    again as whole networks.
    """
