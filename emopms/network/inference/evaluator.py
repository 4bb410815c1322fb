"""Runs many candidates of one sub-network. A candidate is the sub-network pruned by one genome."""

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
    """Runs candidates of one sub-network with smaller parameters, without the channels that a candidate's genome drops.

    The evaluator copies the sub-network's parameters when it is made. Several threads may use it at once, and each
    thread gets an `Executor` of its own. Running a candidate needs no copy of the network and no new graph.

    Args:
        subnetwork: The sub-network. It is not changed.
        batch_statistics: Whether batch norm is re-estimated on the first `STATISTICS_IMAGES` images of each batch. This
            is similar to the recalibration of the pruned network. Otherwise the dense network's running statistics are
            used.
        cache: A cache of activations. Candidates whose genomes start with the same genes use the same activations. The
            outputs are the same bits with and without a cache. The cache only helps if the same tensor objects are
            passed to `run` again.
        int8_calibration: Inputs [N, …], or None. If given, `quantize_convolutions` replaces convolutions by int8
            convolutions wherever the graph allows it. Their scales are calibrated on the first `STATISTICS_IMAGES` of
            these inputs. If none of these inputs is negative, later inputs must not be negative either. An evaluator
            with int8 needs ``batch_statistics``.
        settings: Numbers that decide how candidates are run. None means the defaults of `ExecutorSettings`.
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
        """Output of the dense sub-network in floating point for the first 2 × `STATISTICS_IMAGES` calibration inputs,
        or None without int8."""
        self._scales = executor.scales
        self.int8_convolutions = executor.int8_convolutions
        """Number of convolutions that multiply in int8."""
        self._idle = [executor]
        self._tensors = {**dict(executor.module.named_parameters()), **dict(executor.module.named_buffers())}

    @torch.inference_mode()
    def run(self, inputs: Tensor, genome: NDArray[np.bool_]) -> Tensor:
        """Return the output [N, …] of the candidate ``genome`` [genes] for one batch of inputs [N, …]."""
        tensors = slice_tensors(self._tensors, self._channels, genome)
        try:
            executor = self._idle.pop()
        except IndexError:  # other threads use all executors
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
    """Return a function that runs dense sub-networks one after another.

    Batch norm is re-estimated on each batch. The sub-networks are copied when the function is first called. If it is
    never called, it takes no memory.
    """
    evaluators: list[Evaluator] = []

    def tail(features: Tensor) -> Tensor:
        if not evaluators:
            evaluators[:] = [Evaluator(sub) for sub in subnetworks]  # one assignment, because several threads may call
        for evaluator, sub in zip(evaluators, subnetworks, strict=True):
            features = evaluator.run(features, sub.dense)
        return features

    return tail
