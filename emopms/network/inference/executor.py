"""Runs one candidate: computes batch-norm statistics, and runs chunks of images through cached segments.

A candidate is a sub-network pruned by one genome. A segment is a part of the sub-network whose output is cached.
"""

from __future__ import annotations

import math
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from loguru import logger
from torch import nn
from torch.func import functional_call

from emopms.network.graph.nodes import shape_of
from emopms.network.inference.fusion import Fused, Norm, fuse
from emopms.network.inference.int8 import (
    MIN_MULTIPLICATIONS_PER_ELEMENT,
    Quantize,
    QuantizedConv,
    quantize_convolutions,
)
from emopms.network.inference.layout import kernels_2d
from emopms.network.inference.segments import MAX_SEGMENTS, MIN_MACS_PER_ELEMENT, nodes_before_genes, segments_of
from emopms.network.layers.attributes import resized_for
from emopms.network.layers.batchnorm import use_batch_statistics
from emopms.network.runtime.free_memory import out_of_memory
from emopms.network.runtime.row_buffer import RowBuffer, allocate_like

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, fx

    from emopms.network.channels.table import Channels
    from emopms.network.inference.activation_cache import ActivationCache

STATISTICS_IMAGES = 128
"""Number of images of each batch on which batch norm is re-estimated."""
MAX_CHUNK_ELEMENTS = 2**21
"""On the CPU, images are run in chunks. This is the largest number of elements of a feature map of one chunk. Such a
feature map fits into the processor's cache."""


@dataclass(frozen=True)
class ExecutorSettings:
    """Numbers that decide how a candidate, which is a sub-network pruned by one genome, is run.

    They change the speed. They change the output by rounding errors only, except for ``statistics_images``.
    """

    statistics_images: int = STATISTICS_IMAGES
    """Number of images of each batch on which batch norm is re-estimated."""
    max_chunk_elements: int = MAX_CHUNK_ELEMENTS
    """On the CPU, images are run in chunks. This is the largest number of elements of a feature map of one chunk."""
    min_macs_per_element: int = MIN_MACS_PER_ELEMENT
    """The sub-network is cut into segments. Between two cuts there are at least this number of MACs for each element of
    the tensor that is cached at the second cut."""
    max_segments: int = MAX_SEGMENTS
    """Approximate largest number of segments into which the sub-network is cut."""
    min_multiplications_per_element: int = MIN_MULTIPLICATIONS_PER_ELEMENT
    """An activation is quantised to int8 only if each of its values is used in at least this many multiplications."""


@dataclass
class MemoryLimits:
    """Largest numbers of images that are run at once. They are halved whenever there is not enough memory.

    All executors of an evaluator share one object of this class.
    """

    statistics_images: int
    """Number of images of each batch on which batch norm is re-estimated."""
    chunk_images: int = sys.maxsize
    """Largest number of images that are run at once after batch norm has been re-estimated."""


class Executor(nn.Module):
    """A copy of a sub-network that runs one candidate at a time.

    The executor re-estimates batch norm on the first images of a batch, and runs the other images in chunks. The
    sub-network is divided into segments. Segments whose output is in the cache, because an earlier candidate had the
    same genes, are not run again.

    Args:
        module: A traced sub-network. It is changed in place: its operations are fused and, if ``int8`` is set,
            quantised.
        channels: The channel table of the sub-network.
        cache: The cache of the segments' outputs.
        limits: Largest numbers of images that are run at once. All executors of the same sub-network share this object.
        settings: Numbers that decide how a candidate is run.
        batch_statistics: Whether batch norm is re-estimated. Otherwise the running statistics are used.
        int8: Whether `quantize_convolutions` replaces convolutions by int8 convolutions.
        signed_inputs: Whether inputs may be negative. Such inputs are not quantised.
        layout: Memory layout of convolution weights, as `layout_for` returns it.
    """

    def __init__(
        self,
        module: fx.GraphModule,
        channels: Channels,
        cache: ActivationCache,
        limits: MemoryLimits,
        settings: ExecutorSettings,
        *,
        batch_statistics: bool,
        int8: bool,
        signed_inputs: bool,
        layout: torch.memory_format,
    ) -> None:
        super().__init__()
        self.module = module
        self._layout = layout
        self._kernels = kernels_2d(module).keys()
        fuse(module)
        self._batch_statistics = batch_statistics
        self._one_chunk = batch_statistics and _has_unfused_batch_norm(module)
        if int8:
            quantize_convolutions(
                module,
                nodes_before_genes(module, channels),
                quantize_input=not signed_inputs,
                min_multiplications=settings.min_multiplications_per_element,
            )
        self._operations = [inner for inner in module.modules() if isinstance(inner, Fused | Norm)]
        self._quantized = {
            n: inner for n, inner in module.named_modules() if isinstance(inner, Quantize | QuantizedConv)
        }
        with self._calibrating():  # scales are not known yet, and `segments_of` may run parts
            segments = (
                segments_of(
                    module,
                    channels,
                    cache.room_per_image,
                    min_macs_per_element=settings.min_macs_per_element,
                    max_segments=settings.max_segments,
                )
                if cache.room
                else []
            )
        # Forward functions of the segments. They are called with `module`, whose tensors `functional_call` replaces.
        self._segments = [type(segment.module).forward for segment in segments] or [type(module).forward]
        self._segment_genes = [segment.genes for segment in segments[:-1]]
        self._cache, self._limits, self._settings, self._learning = cache, limits, settings, False
        if batch_statistics:
            use_batch_statistics(module)

    @property
    def int8_convolutions(self) -> int:
        """Number of convolutions that multiply in int8."""
        return sum(
            isinstance(operation, QuantizedConv) and operation.convolves for operation in self._quantized.values()
        )

    @property
    def scales(self) -> dict[str, float]:
        """Dequantisation scale of each quantised operation, by module path."""
        return {name: operation.scale for name, operation in self._quantized.items()}

    @scales.setter
    def scales(self, scales: Mapping[str, float]) -> None:
        for name, scale in scales.items():
            self._quantized[name].scale = scale

    def calibrate(self, inputs: Tensor) -> Tensor:
        """Set the scales from the activations of the dense sub-network for the first `STATISTICS_IMAGES` inputs.

        Returns:
            The dense sub-network's output in floating point, for the first 2 × `STATISTICS_IMAGES` inputs.
        """
        count = self._settings.statistics_images
        with self._calibrating(), torch.no_grad():
            self._set_learning(True)
            outputs, more = [self.module(inputs[:count].float())], inputs[count : 2 * count]
            scales = self.scales
            if len(more):
                self._set_learning(False)
                outputs.append(self.module(more.float()))
            self.scales = scales
            return torch.cat(outputs)

    @contextmanager
    def _calibrating(self) -> Iterator[None]:
        for operation in self._quantized.values():
            operation.calibrating = True
        try:
            yield
        finally:
            for operation in self._quantized.values():
                operation.calibrating = False

    def run(self, inputs: Tensor, genome: NDArray[np.bool_], tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the candidate's output [N, …] for one batch of inputs [N, …].

        Args:
            inputs: The batch. Activations are cached for this tensor object.
            genome: The candidate [genes].
            tensors: The module's parameters and buffers by name, sliced for this genome.
        """
        named = {
            f"module.{name}": tensor.contiguous(memory_format=self._layout) if name in self._kernels else tensor
            for name, tensor in tensors.items()
        }
        with resized_for(self.module, tensors):
            outputs: Tensor = functional_call(self, named, (inputs, genome))
        return outputs

    def forward(self, inputs: Tensor, genome: NDArray[np.bool_]) -> Tensor:
        """Run the candidate with the current tensors of the module.

        If there is not enough memory, run fewer images at once.
        """
        while True:
            limits = replace(self._limits)  # a copy, because other threads may change the limits meanwhile
            try:
                return self._run_segments(inputs, genome, limits)
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error) or not self._lower_limits(limits, len(inputs)):
                    raise
            if inputs.device.type == "cuda":
                torch.cuda.empty_cache()  # not in the `except` block, where the error still holds tensors

    def _lower_limits(self, limits: MemoryLimits, images: int) -> bool:
        """Halve the number of images that are run at once. Return False if the number cannot be halved further."""
        half = min(limits.statistics_images if self._learning else limits.chunk_images, images) // 2
        if not half or (self._learning and self._one_chunk):
            return False
        if self._learning:
            self._limits.statistics_images = min(self._limits.statistics_images, half)
            logger.warning("out of memory: from now on batch norm is re-estimated on {} images of each batch", half)
        else:
            self._limits.chunk_images = min(self._limits.chunk_images, half)
            logger.warning("out of memory: from now on {} images are run at a time", half)
        self._cache.clear()
        return True

    def _run_segments(self, inputs: Tensor, genome: NDArray[np.bool_], limits: MemoryLimits) -> Tensor:
        for operation in self._operations:
            operation.forget()
        keys = [
            (self._batch_statistics, limits.statistics_images, bool(self._quantized), index, genome[genes].tobytes())
            for index, genes in enumerate(self._segment_genes)
        ]
        outputs = RowBuffer(len(inputs), allocate_like)
        with self._cache.longest_prefix(inputs, keys) as cached:
            last, features = cached or (-1, inputs)
            segments = self._segments[last + 1 :]
            with self._cache.buffers(inputs, keys[last + 1 :]) as buffers:
                for rows, learning in self._chunks(inputs, limits):
                    self._set_learning(learning)
                    piece = features[rows]
                    if cached and piece.dtype == torch.uint8:
                        piece = piece.clone()  # an int8 sum may overwrite this tensor
                    for segment, buffer in zip(segments, [*buffers, outputs], strict=True):
                        piece = buffer.add(segment(self.module, piece), rows)
        assert outputs.tensor is not None
        return outputs.tensor

    def _set_learning(self, learning: bool) -> None:
        self._learning = learning
        for operation in self._operations:
            operation.learning = learning

    def _chunks(self, inputs: Tensor, limits: MemoryLimits) -> Iterator[tuple[slice, bool]]:
        """Yield the rows of each chunk of the batch, and whether batch-norm statistics are learnt on this chunk."""
        count = len(inputs)
        first = count if self._one_chunk else min(limits.statistics_images, count) if self._batch_statistics else 0
        if first:
            yield slice(0, first), True
        on_cpu = inputs.device.type == "cpu"
        size = max(1, self._settings.max_chunk_elements // self._largest_map) if on_cpu else count
        size = min(size, limits.chunk_images)
        for start in range(first, count, size):
            yield slice(start, min(start + size, count)), False

    @cached_property
    def _largest_map(self) -> int:
        """Number of elements of the largest feature map for one image."""
        return max(math.prod((shape_of(node) or ())[1:]) for node in self.module.graph.nodes)


def _has_unfused_batch_norm(module: fx.GraphModule) -> bool:
    """Return whether the module still has a batch norm that was not replaced by a fused operation.

    Such a batch norm computes its statistics from all images that are run at once.
    """
    called = {str(node.target) for node in module.graph.nodes if node.op == "call_module"}
    layers = [module.get_submodule(path) for path in called]
    return any(
        isinstance(inner, nn.modules.batchnorm._BatchNorm)
        for layer in layers
        if not isinstance(layer, Fused | Norm)
        for inner in layer.modules()
    )
