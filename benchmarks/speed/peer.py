"""Pruning by evolution as it is usually written: a pymoo problem that cuts and runs the whole network a candidate.

Nothing of emopms' machinery is used: a deep copy a candidate, Torch-Pruning's dependency graph of it, surgery, and a
forward pass of all images in fp32 and PyTorch's default layout, with the dense network's batch-norm statistics.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
import torch_pruning as tp
from pymoo.core.problem import ElementwiseProblem

from emopms.network.runtime.device import in_layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn


class Peer(ElementwiseProblem):  # type: ignore[misc]
    """Loss and MACs of the whole network, for any algorithm of pymoo.

    Args:
        network: Dense, in eval mode.
        layers: Paths of the convolutions whose output channels are pruned, and how many each has: the genome.
        images: [N, C, H, W].
        labels: [N].
    """

    def __init__(self, network: nn.Module, layers: Sequence[tuple[str, int]], images: Tensor, labels: Tensor) -> None:
        super().__init__(n_var=sum(size for _, size in layers), n_obj=2, vtype=bool)
        self._network = in_layout(copy.deepcopy(network), torch.contiguous_format)
        self._layers, self._labels = layers, labels
        self._images = images.contiguous()

    def _evaluate(self, x: NDArray[np.bool_], out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        network, example = copy.deepcopy(self._network), self._images[:1]
        graph = tp.DependencyGraph().build_dependency(network, example_inputs=example)
        start = 0
        for path, size in self._layers:
            dropped = np.flatnonzero(~x[start : start + size]).tolist()
            start += size
            if dropped:
                layer = network.get_submodule(path)
                graph.get_pruning_group(layer, tp.prune_conv_out_channels, idxs=dropped).prune()
        with torch.no_grad():
            loss = F.cross_entropy(network(self._images), self._labels)
        macs, _ = tp.utils.count_ops_and_params(network, example)
        out["F"] = [float(loss), macs]
