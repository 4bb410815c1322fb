"""The peer: evolutionary pruning with pymoo and Torch-Pruning, without emopms.

For each candidate it makes a deep copy of the whole network and Torch-Pruning's dependency graph, prunes the copy, and
runs all images in fp32 and PyTorch's default layout, with the dense network's batch-norm statistics.
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
    """A pymoo problem with two objectives: loss and MACs of the whole network.

    Args:
        network: The dense network in eval mode.
        layers: Path and number of output channels of each convolution to prune. A genome has one gene per channel.
        images: Images [N, C, H, W].
        labels: Class numbers [N].
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
