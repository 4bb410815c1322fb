"""A hash of a network's structure: of its graph, and of the names, shapes and dtypes of its tensors."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import fx

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn


def graph_fingerprint(network: nn.Module, parts: Sequence[fx.GraphModule], *, values: bool) -> str:
    """Return a SHA-256 of a network's graph, and of the names, shapes and dtypes of all its tensors.

    The values of a tensor are not hashed, because the state dict holds them. The values of buffers that the state dict
    does not hold are hashed.

    Args:
        network: The network.
        parts: The traced parts of the network, in the order of the forward pass. The hash does not depend on the split
            points.
    """
    digest = hashlib.sha256()
    for line in _lines(parts):
        digest.update(f"{line}\n".encode())
    saved = network.state_dict()
    tensors = {**saved, **{name: tensor for name, tensor in network.named_buffers() if name not in saved}}
    for name, tensor in tensors.items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        if values or name not in saved:
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _lines(parts: Sequence[fx.GraphModule]) -> Iterator[str]:
    """Yield a line of text for each node of the graphs. A node is named by its number in the whole network."""
    numbers: dict[fx.Node, str] = {}
    last, count = "images", 0
    for part in parts:
        for node in part.graph.nodes:
            if node.op == "placeholder":
                numbers[node] = last
                continue
            if node.op == "output":
                last = numbers[node.all_input_nodes[0]]
                continue
            arguments = fx.node.map_arg((node.args, node.kwargs), numbers.__getitem__)
            count += 1
            numbers[node] = f"%{count}"
            kind = f"{node.meta.get('shape')} {node.meta.get('dtype')}"
            yield f"{numbers[node]} {node.op} {_target(node, part)} {arguments} {kind}"
    yield f"output {last}"


def _target(node: fx.Node, part: fx.GraphModule) -> str:
    """Return the name of the function, method or layer that a node calls. For a layer, its settings follow."""
    target = str(node.target)
    if node.op == "call_function":
        return f"{getattr(node.target, '__module__', '')}.{getattr(node.target, '__name__', target)}"
    if node.op == "call_module":
        layer = part.get_submodule(target)
        return f"{target} {type(layer).__qualname__}({layer.extra_repr()})"
    return target
