"""What the blocks of random networks have in common."""

from __future__ import annotations

from torch import nn


class Block(nn.Module):
    """One tensor [N, C, H, W] in, one out, of ``outgoing`` channels."""

    outgoing: int
    free: tuple[str, ...]
    """The layers of which channels can be pruned whatever stands around the block."""
