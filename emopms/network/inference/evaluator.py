"""Running many candidates of one sub-network."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from emopms.network.channels.slicing import slice_tensors
from emopms.network.graph.trace import with_source
from emopms.network.inference.activation_cache import ActivationCache
from emopms.network.inference.executor import Executor, ExecutorSettings, MemoryLimits
from emopms.network.inference.layout import layout_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network.partition.subnetwork import SubNetwork


class Evaluator:
    """Runs candidates of one sub-network with their channels sliced away.

    It copies the sub-network's parameters when it is made. Several threads may use it at once; each gets an `Executor`
    of its own. A candidate costs neither a copy of the network nor a new graph.

    Args:
        subnetwork: The sub-network; it is left as it is.
        batch_statistics: Re-estimate batch norm on the first `STATISTICS_IMAGES` images of each batch, as the pruned
            network will be recalibrated; otherwise use the dense network's running statistics.
        cache: The cache in which candidates leave activations for others whose genomes start with the same genes.
            It changes no bit of the values. It helps only if the same tensor objects are passed in again.
        int8_calibration: Inputs [N, …]. If given, convolve in int8 wherever the graph allows it (see
            `quantize_convolutions`), with scales that are calibrated on the first `STATISTICS_IMAGES` of these. Inputs
            must not be negative later if none of these is. Needs ``batch_statistics``.
        settings: See `ExecutorSettings`.
    """

    def __init__(
        self,
        subnetwork: SubNetwork,
        *,
        batch_statistics: bool = True,
        cache: ActivationCache | None = None,
        int8_calibration: Tensor | None = None,
        settings: ExecutorSettings | None = None,
    ) -> None:
        self._channels = subnetwork.channels
        self._batch_statistics = batch_statistics
        self._cache = cache or ActivationCache(0)
        self._settings = settings or ExecutorSettings()
        self._module = with_source(copy.deepcopy(subnetwork.module))
        self._module.eval().requires_grad_(False)
        self._layout = layout_for(self._module)
        self._int8 = int8_calibration is not None
        self._signed_inputs = int8_calibration is not None and float(int8_calibration.amin()) < 0
        self._scales: dict[str, float] = {}
        self._limits = MemoryLimits(self._settings.statistics_images)
        executor = self._new_executor()
        self.dense_outputs = None if int8_calibration is None else executor.calibrate(int8_calibration)
        """Output of the dense sub-network in floating point, on the first 2 × `STATISTICS_IMAGES` calibration inputs;
        None without int8."""
        self._scales = executor.scales
        self.int8_convolutions = executor.int8_convolutions
        """Number of convolutions that multiply in int8."""
        self._idle = [executor]
        self._tensors = {**dict(executor.module.named_parameters()), **dict(executor.module.named_buffers())}

    @torch.inference_mode()
    def run(self, inputs: Tensor, genome: NDArray[np.bool_]) -> Tensor:
        """Return the output [N, …] of the candidate ``genome`` [genes] on one batch of inputs [N, …]."""
        tensors = slice_tensors(self._tensors, self._channels, genome)
        try:
            executor = self._idle.pop()
        except IndexError:  # other threads use all of them
            executor = self._new_executor()
        try:
            return executor.run(inputs, genome, tensors)
        finally:
            self._idle.append(executor)

    @torch.inference_mode(False)
    def _new_executor(self) -> Executor:
        executor = Executor(
            with_source(copy.deepcopy(self._module)),
            self._channels,
            self._cache,
            self._limits,
            self._settings,
            batch_statistics=self._batch_statistics,
            int8=self._int8,
            signed_inputs=self._signed_inputs,
            layout=self._layout,
        )
        executor.scales = self._scales
        return executor


def dense_tail(subnetworks: Sequence[SubNetwork]) -> Callable[[Tensor], Tensor]:
    """Return a function that runs these sub-networks one after another, unpruned.

    Batch norm is re-estimated on each batch. The sub-networks are copied when the function is first called, so that
    an unused function costs nothing.
    """
    evaluators: list[Evaluator] = []

    def tail(features: Tensor) -> Tensor:
        if not evaluators:
            evaluators[:] = [Evaluator(sub) for sub in subnetworks]  # in one step: several threads may call
        for evaluator, sub in zip(evaluators, subnetworks, strict=True):
            features = evaluator.run(features, sub.dense)
        return features

    return tail
