"""The latency of a pruned network and of its dense network."""

from __future__ import annotations

from dataclasses import dataclass

from emopms.engine.results.stored import Summary


@dataclass(frozen=True, kw_only=True)
class Latency(Summary):
    """Median times of a forward pass of the dense and of a pruned network. Both were timed in turns."""

    _file = "latency"

    batch_size: int
    """Number of images in a forward pass."""
    dense_ms: float
    """Milliseconds of a forward pass of the dense network."""
    pruned_ms: float
    """Milliseconds of a forward pass of the pruned network."""

    @property
    def speedup(self) -> float:
        """Latency of the dense network, divided by the latency of the pruned network."""
        return self.dense_ms / self.pruned_ms
