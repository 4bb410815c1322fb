"""Operations on PyTorch networks: trace, divide, group channels, slice, count, evaluate. They do not use the spec.

Plugins import the names below from this package. These names stay here even if the modules that define them move. Each
name is imported when it is first used, so that importing this package does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emopms.network.channels.limits import NO_LIMITS, Limits
    from emopms.network.channels.surgery import fit_to, pruned_state
    from emopms.network.channels.table import Channels
    from emopms.network.costs.cost_model import Count, count
    from emopms.network.criteria import ClassifierLoss, FeatureDistance, LinearProbeLoss, TailLoss, distance
    from emopms.network.graph.closeness import are_close, largest
    from emopms.network.graph.trace import trace
    from emopms.network.inference.evaluator import Evaluator, dense_tail
    from emopms.network.partition.activations import feature_maps, gate_gradients
    from emopms.network.partition.divide import divide
    from emopms.network.partition.divided_network import DividedNetwork, divide_network
    from emopms.network.partition.filters import Filters, filters_of, kept_channels, mean_by_gene
    from emopms.network.partition.importance import magnitude, sensitivity
    from emopms.network.partition.split_points import block_points, even_points
    from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of
    from emopms.network.runtime.device import Device
    from emopms.network.runtime.free_memory import available_memory
    from emopms.network.runtime.parallel import parallel_map

__all__ = [
    "NO_LIMITS",
    "Channels",
    "ClassifierLoss",
    "Count",
    "Device",
    "DividedNetwork",
    "Evaluator",
    "FeatureDistance",
    "Filters",
    "Limits",
    "LinearProbeLoss",
    "SubNetwork",
    "TailLoss",
    "are_close",
    "available_memory",
    "block_points",
    "count",
    "dense_tail",
    "distance",
    "divide",
    "divide_network",
    "even_points",
    "feature_maps",
    "filters_of",
    "fit_to",
    "gate_gradients",
    "kept_channels",
    "largest",
    "magnitude",
    "mean_by_gene",
    "parallel_map",
    "pruned_state",
    "sensitivity",
    "subnetworks_of",
    "trace",
]

_MODULES = {
    "costs.cost_model": ("Count", "count"),
    "channels.limits": ("NO_LIMITS", "Limits"),
    "channels.surgery": ("fit_to", "pruned_state"),
    "channels.table": ("Channels",),
    "criteria": ("ClassifierLoss", "FeatureDistance", "LinearProbeLoss", "TailLoss", "distance"),
    "graph.closeness": ("are_close", "largest"),
    "graph.trace": ("trace",),
    "inference.evaluator": ("Evaluator", "dense_tail"),
    "partition.activations": ("feature_maps", "gate_gradients"),
    "partition.divide": ("divide",),
    "partition.divided_network": ("DividedNetwork", "divide_network"),
    "partition.filters": ("Filters", "filters_of", "kept_channels", "mean_by_gene"),
    "partition.importance": ("magnitude", "sensitivity"),
    "partition.split_points": ("block_points", "even_points"),
    "partition.subnetwork": ("SubNetwork", "subnetworks_of"),
    "runtime.device": ("Device",),
    "runtime.free_memory": ("available_memory",),
    "runtime.parallel": ("parallel_map",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import the module that defines a public name."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
