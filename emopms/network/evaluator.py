"""Running many candidates of one sub-network, as fast as the machine lets us."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.func import functional_call

from emopms.network.batchnorm import use_batch_statistics
from emopms.network.channels import joined
from emopms.network.fusion import Fused, Norm, fuse
from emopms.network.sizes import following
from emopms.network.slicing import slice_tensors
from emopms.network.trace import shape_of, with_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, fx

    from emopms.network.subnetwork import SubNetwork

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
    """

    def __init__(
        self, subnetwork: SubNetwork, boundaries: SubNetwork | None = None, *, batch_statistics: bool = True
    ) -> None:
        self._channels = joined([sub.channels for sub in (subnetwork, boundaries) if sub is not None])
        self._batch_statistics = batch_statistics
        self._module = with_source(copy.deepcopy(subnetwork.module))
        self._module.eval().requires_grad_(False)
        self._idle = [self._copy()]
        module = self._idle[0].module
        self._tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}

    @torch.inference_mode()
    def __call__(self, inputs: Tensor, genome: NDArray[np.bool_]) -> Tensor:
        """Output of the candidate on one batch."""
        tensors = slice_tensors(self._tensors, self._channels, genome)
        try:
            run = self._idle.pop()
        except IndexError:  # all are in use, by other threads
            run = self._copy()
        with following(run.module, tensors):
            outputs: Tensor = functional_call(
                run, {f"module.{name}": _laid_out(tensor) for name, tensor in tensors.items()}, (inputs,)
            )
        self._idle.append(run)
        return outputs

    def _copy(self) -> _InChunks:
        return _InChunks(with_source(copy.deepcopy(self._module)), batch_statistics=self._batch_statistics)


class _InChunks(nn.Module):
    """A sub-network that learns its batch norms' statistics on the first images and runs the others in chunks."""

    def __init__(self, module: fx.GraphModule, *, batch_statistics: bool) -> None:
        super().__init__()
        self.module = module
        self._operations = fuse(module)
        self._learns = batch_statistics
        self._whole = batch_statistics and _other_batch_norms(module)
        if batch_statistics:
            use_batch_statistics(module)
        self._largest = max(math.prod((shape_of(node) or ())[1:]) for node in module.graph.nodes)

    def forward(self, inputs: Tensor) -> Tensor:
        for operation in self._operations:
            operation.forget()
        outputs = []
        first = len(inputs) if self._whole else STATISTICS if self._learns else 0
        if first:
            outputs.append(self._learn(inputs[:first]))
            inputs = inputs[first:]
        if len(inputs):
            size = max(1, _CACHED // self._largest) if inputs.device.type == "cpu" else len(inputs)
            outputs += [self.module(chunk) for chunk in torch.split(inputs, size)]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    def _learn(self, inputs: Tensor) -> Tensor:
        for operation in self._operations:
            operation.learning = True
        outputs: Tensor = self.module(inputs)
        for operation in self._operations:
            operation.learning = False
        return outputs


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


def dense_rest(subnetworks: Sequence[SubNetwork]) -> Callable[[Tensor], Tensor]:
    """These sub-networks one after the other, unpruned, with batch norm re-estimated on each batch.

    They are copied when the function is first called, so that it costs nothing where nobody calls it.
    """
    chain: list[Evaluator] = []

    def rest(features: Tensor) -> Tensor:
        if not chain:
            chain.extend(Evaluator(sub) for sub in subnetworks)
        for forward, sub in zip(chain, subnetworks, strict=True):
            features = forward(features, sub.dense)
        return features

    return rest
