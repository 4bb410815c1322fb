"""Slot ``objective``: the values that the search minimises."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.component import Component
from emopms.documented import documented

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.network import Device, Evaluator, SubNetwork
    from emopms.network.inference.pool import EvaluatorPool


@documented
@dataclass(frozen=True)
class Task:
    """The search of one sub-network: its data, and its evaluators, which run the sub-network as a genome prunes it.

    An evaluator is made when it is first requested. Then all objectives and all generations share it.
    """

    subnetwork: SubNetwork
    """The sub-network. All stages share it: copy its modules before you change them."""
    inputs: Tensor
    """Calibration features f_{i−1} [N, …] that enter the sub-network. They are in main memory if the device does not
    have enough memory."""
    references: Tensor
    """Output f_i [N, …] of the dense sub-network for ``inputs``. It is in main memory if the device does not have
    enough memory."""
    labels: Tensor
    """Class numbers [N]. For images without labels, these are the predictions of the dense network before any
    training."""
    criterion: nn.Module
    """The selector's criterion S_i, a loss called as ``criterion(features, references, labels)`` → mean loss."""
    device: Device
    """The device on which candidates run, and its number formats."""
    tail: Callable[[Tensor], Tensor]
    """Function that runs the rest of the network, which is dense (not pruned): output features [N, …] of the
    sub-network → class scores [N, classes]. Batch norms normalise with the statistics of each batch."""

    def evaluator(self, *, batch_statistics: bool = True, int8: bool = True) -> Evaluator:
        """Return the evaluator that runs this task's candidates. Equal arguments give the same evaluator.

        Call the evaluator's ``run(inputs, genome)`` with inputs that `batches` gives. For these inputs, the evaluator
        caches the values that candidates have in common.

        Args:
            batch_statistics: Whether batch norms use the statistics of each batch. Otherwise they use the statistics
                of the dense network.
            int8: Whether convolutions may use int8. They do so if it is faster and changes the dense sub-network's
                output by 1 % at most.
        """
        return self._pool.get(batch_statistics=batch_statistics, int8=int8)

    def precision_notes(self) -> list[str]:
        """Return, for each evaluator in use, its number format and the reason for it."""
        return self._pool.notes

    @cached_property
    def _pool(self) -> EvaluatorPool:
        from emopms.network.inference.pool import EvaluatorPool

        on_device = self.inputs.device == self.labels.device  # otherwise each batch is a new copy, which no cache knows
        return EvaluatorPool(
            self.subnetwork, self.inputs, self.device, cached_images=len(self.labels) if on_device else 0
        )

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (inputs, references, labels) in batches of at most ``size`` images, on the device.

        The sizes of the batches differ by one image at most, because batch norm estimates its statistics on each batch:
        a short last batch would give worse statistics. Every call yields the same tensor objects, unless the tensors
        are too large to be kept on the device.
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
        """The batches that `batches` yields, by the number of batches.

        They are kept because evaluators look up cached values by the input tensor object.
        """
        return {}


class Objective(Component):
    """A property of candidates to minimise, such as the selector's loss."""

    slot: ClassVar[str] = "objective"

    measured: ClassVar[bool] = False
    """Whether the values depend on the machine and the moment, as run times do. Results are then used again only on the
    same device."""

    @property
    def in_floating_point(self) -> bool:
        """Whether every convolution must run in floating point. If so, sub-networks and whole networks use no int8."""
        return False

    @abstractmethod
    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        """Evaluate a population.

        Args:
            genomes: Distinct candidates, boolean [n, genes]. True keeps a channel.
            task: The sub-network, and the data on which candidates are evaluated.

        Returns:
            One float per candidate [n]. Lower is better. If a value is NaN or infinite, its candidate has failed: the
            candidate is counted, but is never on a front. If this method raises an error, it is called again with one
            candidate at a time. A candidate for which it raises an error again has failed.
        """


class Cost(Objective):
    """An objective that says how much of the network remains.

    The cost of a scheme for the whole network is predicted as the sum of the costs of its sub-networks. The schemes
    that are chosen by this prediction are evaluated again as whole networks.
    """
