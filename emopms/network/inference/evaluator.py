"""Running many candidates of one sub-network, as fast as the machine lets us."""

from __future__ import annotations

import copy
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

from emopms.network.channels.slicing import slice_tensors
from emopms.network.channels.table import joined
from emopms.network.graph.trace import shape_of, with_source
from emopms.network.inference.activation_cache import ActivationCache
from emopms.network.inference.fusion import Fused, Norm, fuse
from emopms.network.inference.int8 import Quantize, QuantizedConv, quantize_convolutions
from emopms.network.inference.segments import before_genes, segments_of
from emopms.network.layers.attributes import resized_for
from emopms.network.layers.batchnorm import use_batch_statistics
from emopms.network.runtime.free_memory import out_of_memory
from emopms.network.runtime.row_buffer import RowBuffer, allocate_like

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, fx

    from emopms.network.channels.table import Channels
    from emopms.network.partition.subnetwork import SubNetwork

STATISTICS = 128
"""Images of each batch that batch norm is re-estimated on."""
_CACHED = 2**21
"""Numbers in the largest feature map of a chunk of images on the CPU: what stays in the cache is passed on for free."""


class Evaluator:
    """Runs candidates of one sub-network with their channels sliced away, at the parameters of this moment.

    Several threads may use it at once. It holds a copy of the sub-network for each; a candidate costs no copy and no
    graph.

    Args:
        boundaries: Where the channels that cross the splits are pruned as well, the sub-network that has their genes;
            a candidate's genome is then that of the sub-network followed by that of the boundaries.
        batch_statistics: Re-estimate batch norm on the first `STATISTICS` images of each batch, as the pruned network
            will be recalibrated; otherwise use the dense network's running statistics.
        kept: Where to keep what candidates make on the way, for those whose genomes begin alike; theirs is the same to
            the bit. It holds for batches that are passed in again as the same tensor.
        int8: Convolve in eight bits where the graph allows it (see `quantize_convolutions`), with scales measured on the
            first of these inputs; negative ones will come only if there are some here. With statistics of the batch.
    """

    def __init__(
        self,
        subnetwork: SubNetwork,
        boundaries: SubNetwork | None = None,
        *,
        batch_statistics: bool = True,
        kept: ActivationCache | None = None,
        int8: Tensor | None = None,
    ) -> None:
        self._channels = joined([sub.channels for sub in (subnetwork, boundaries) if sub is not None])
        self._batch_statistics = batch_statistics
        self._kept = kept or ActivationCache(0)
        self._module = with_source(copy.deepcopy(subnetwork.module))
        self._module.eval().requires_grad_(False)
        self._eight_bits = int8 is not None
        self._signed = int8 is not None and float(int8.amin()) < 0
        self._scales: dict[str, float] = {}
        self._limits = _Limits(STATISTICS, sys.maxsize)
        run = self._copy()
        self.dense = None if int8 is None else run.measure_scales(int8)
        """What the dense sub-network makes in floating point of the first of these inputs, twice as many as scales were
        measured on."""
        self._scales = run.scales
        self.rounded = run.rounded
        """Number of convolutions that are run in eight bits."""
        self._idle = [run]
        self._tensors = {**dict(run.module.named_parameters()), **dict(run.module.named_buffers())}

    @torch.inference_mode()
    def __call__(self, inputs: Tensor, genome: NDArray[np.bool_]) -> Tensor:
        """Output of the candidate on one batch."""
        tensors = slice_tensors(self._tensors, self._channels, genome)
        try:
            run = self._idle.pop()
        except IndexError:  # all are in use, by other threads
            run = self._copy()
        try:
            with resized_for(run.module, tensors):
                outputs: Tensor = functional_call(
                    run, {f"module.{name}": _laid_out(tensor) for name, tensor in tensors.items()}, (inputs, genome)
                )
        finally:
            self._idle.append(run)
        return outputs

    @torch.inference_mode(False)
    def _copy(self) -> _Run:
        module = with_source(copy.deepcopy(self._module))
        run = _Run(
            module,
            self._channels,
            self._kept,
            self._limits,
            batch_statistics=self._batch_statistics,
            int8=self._eight_bits,
            signed=self._signed,
        )
        run.scales = self._scales
        return run


@dataclass
class _Limits:
    """How many images memory has been enough for, as far as is known."""

    statistics: int
    at_once: int


class _Run(nn.Module):
    """A copy of a sub-network: learns its batch norms' statistics on the first images and runs the others in chunks.

    It begins behind the last segment that it shares with a candidate before it.
    """

    def __init__(
        self,
        module: fx.GraphModule,
        channels: Channels,
        kept: ActivationCache,
        limits: _Limits,
        *,
        batch_statistics: bool,
        int8: bool,
        signed: bool,
    ) -> None:
        super().__init__()
        self.module = module
        fuse(module)
        self._learns = batch_statistics
        self._whole = batch_statistics and _other_batch_norms(module)
        if int8:
            quantize_convolutions(module, before_genes(module, channels), entry=not signed)
        self._operations = [inner for inner in module.modules() if isinstance(inner, Fused | Norm)]
        self._rounded = {n: inner for n, inner in module.named_modules() if isinstance(inner, Quantize | QuantizedConv)}
        with self._measuring():
            segments = segments_of(module, channels, kept.share) if kept.room else []
        # What the segments do, to be done with the module's tensors, which are swapped.
        self._segments = [type(segment.module).forward for segment in segments] or [type(module).forward]
        self._genes = [segment.genes for segment in segments[:-1]]
        self._kept, self._limits, self._learning = kept, limits, False
        if batch_statistics:
            use_batch_statistics(module)

    @property
    def rounded(self) -> int:
        return sum(isinstance(operation, QuantizedConv) and operation.convolves for operation in self._rounded.values())

    @property
    def scales(self) -> dict[str, float]:
        """Of what is held in eight bits."""
        return {name: operation.scale for name, operation in self._rounded.items()}

    @scales.setter
    def scales(self, scales: Mapping[str, float]) -> None:
        for name, scale in scales.items():
            self._rounded[name].scale = scale

    def measure_scales(self, inputs: Tensor) -> Tensor:
        """Set them by what the dense sub-network makes of the first inputs; returns that, and what it makes of more."""
        with self._measuring(), torch.no_grad():
            self._learn(True)
            outputs, more = [self.module(inputs[:STATISTICS].float())], inputs[STATISTICS : 2 * STATISTICS]
            scales = self.scales
            if len(more):
                self._learn(False)
                outputs.append(self.module(more.float()))
            self.scales = scales
            return torch.cat(outputs)

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        for operation in self._rounded.values():
            operation.measuring = True
        yield
        for operation in self._rounded.values():
            operation.measuring = False

    def forward(self, inputs: Tensor, genome: NDArray[np.bool_]) -> Tensor:
        while True:
            limits = replace(self._limits)  # all copies share them
            try:
                return self._forward(inputs, genome, limits)
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                half = min(limits.statistics if self._learning else limits.at_once, len(inputs)) // 2
                if not half or (self._learning and self._whole):
                    raise
                if self._learning:
                    self._limits.statistics = min(self._limits.statistics, half)
                    what = "teach batch norm its statistics"
                else:
                    self._limits.at_once = min(self._limits.at_once, half)
                    what = "are run at once"
                self._kept.clear()
                logger.warning("out of memory: from here on {} images {}", half, what)
            if inputs.device.type == "cuda":
                torch.cuda.empty_cache()  # outside of the handler, which holds on to what failed

    def _forward(self, inputs: Tensor, genome: NDArray[np.bool_], limits: _Limits) -> Tensor:
        for operation in self._operations:
            operation.forget()
        keys = [
            (self._learns, limits.statistics, bool(self._rounded), index, genome[genes].tobytes())
            for index, genes in enumerate(self._genes)
        ]
        with self._kept.longest_prefix(inputs, keys) as found:
            shared, features = found or (-1, inputs)
            segments = self._segments[shared + 1 :]
            spaces = [*(self._kept.allocate for _ in segments[:-1]), allocate_like]
            made = [RowBuffer(len(inputs), allocate) for allocate in spaces]
            try:
                for rows, learning in self._pieces(inputs, limits):
                    self._learn(learning)
                    piece = features[rows]
                    if found and piece.dtype == torch.uint8:  # which sums may overwrite
                        piece = piece.clone()
                    for segment, gathered in zip(segments, made, strict=True):
                        piece = gathered.add(segment(self.module, piece), rows)
            except BaseException:
                for gathered in made[:-1]:
                    if gathered.tensor is not None:
                        self._kept.release(gathered.tensor)
                raise
        for key, gathered in zip(keys[shared + 1 :], made, strict=False):
            if gathered.tensor is not None:
                self._kept.keep(inputs, key, gathered.tensor)
        assert made[-1].tensor is not None
        return made[-1].tensor

    def _learn(self, learning: bool) -> None:
        self._learning = learning
        for operation in self._operations:
            operation.learning = learning

    def _pieces(self, inputs: Tensor, limits: _Limits) -> Iterator[tuple[slice, bool]]:
        """Rows that are run at once, and whether statistics are learnt on them."""
        count = len(inputs)
        first = count if self._whole else min(limits.statistics, count) if self._learns else 0
        if first:
            yield slice(0, first), True
        size = max(1, _CACHED // self._largest) if inputs.device.type == "cpu" else count
        size = min(size, limits.at_once)
        for start in range(first, count, size):
            yield slice(start, min(start + size, count)), False

    @cached_property
    def _largest(self) -> int:
        """Numbers in the largest feature map of an image."""
        return max(math.prod((shape_of(node) or ())[1:]) for node in self.module.graph.nodes)


def _other_batch_norms(module: fx.GraphModule) -> bool:
    """Whether batch norms are left whose statistics are those of all that they are given."""
    called = {str(node.target) for node in module.graph.nodes if node.op == "call_module"}
    layers = [module.get_submodule(path) for path in called]
    return any(
        isinstance(inner, nn.modules.batchnorm._BatchNorm)
        for layer in layers
        if not isinstance(layer, Fused | Norm)
        for inner in layer.modules()
    )


def _laid_out(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def dense_tail(subnetworks: Sequence[SubNetwork]) -> Callable[[Tensor], Tensor]:
    """These sub-networks one after the other, unpruned, with batch norm re-estimated on each batch.

    They are copied when the function is first called, so that it costs nothing where nobody calls it.
    """
    chain: list[Evaluator] = []

    def rest(features: Tensor) -> Tensor:
        if not chain:
            chain[:] = [Evaluator(sub) for sub in subnetworks]  # at once: several threads may call
        for forward, sub in zip(chain, subnetworks, strict=True):
            features = forward(features, sub.dense)
        return features

    return rest
