"""Attention in the ways in which people write it, whose heads can be dropped."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .block import Block

SIDE = 3
"""It attends among 3 x 3 positions."""


class Heads(Block):
    """A transformer's attention: one layer for queries, keys and values or three, with a norm inside the heads,
    a bias for relative positions, and shapes written in several ways."""

    index: Tensor

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        self.outgoing = incoming
        self.num_heads, self.head_dim = (2, 4)[norm % 2], width // 4 + 1
        self.attn_dim = self.num_heads * self.head_dim
        self.fused, bias, self.spelling = how % 2, bool(how & 2), (norm // 2) % 4
        self.free = ("qkv",) if self.fused else ("q",)
        self.pool, self.norm = nn.AdaptiveAvgPool2d(SIDE), nn.LayerNorm(incoming)
        if self.fused:
            self.qkv = nn.Linear(incoming, 3 * self.attn_dim, bias=bias)
        else:
            self.q, self.k, self.v = (nn.Linear(incoming, self.attn_dim, bias=bias) for _ in range(3))
        self.inner = nn.LayerNorm(self.head_dim) if how & 4 else nn.Identity()
        self.sdpa = other % 2
        self.table = nn.Parameter(torch.randn((2 * SIDE - 1) ** 2, self.num_heads)) if other & 2 else None
        row, column = (torch.arange(SIDE**2) // SIDE, torch.arange(SIDE**2) % SIDE)
        steps = [where[:, None] - where[None] + SIDE - 1 for where in (row, column)]
        self.register_buffer("index", steps[0] * (2 * SIDE - 1) + steps[1], persistent=bool(other & 4))
        self.proj = nn.Linear(self.attn_dim, incoming)

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n, length, _ = x.shape
        if self.fused:
            width = -1 if self.spelling == 1 else self.head_dim
            q, k, v = self.qkv(x).reshape(n, length, 3, self.num_heads, width).permute(2, 0, 3, 1, 4).unbind(0)
        else:
            q, k, v = (
                layer(x).view(n, length, self.num_heads, -1).transpose(1, 2) for layer in (self.q, self.k, self.v)
            )
        return self.inner(q), self.inner(k), v

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.pool(x).flatten(2).transpose(1, 2)
        n, length, channels = tokens.shape
        q, k, v = self.queries_keys_values(self.norm(tokens))
        bias = None
        if self.table is not None:
            bias = self.table[self.index.view(-1)].view(SIDE**2, SIDE**2, -1).permute(2, 0, 1).unsqueeze(0)
        if self.sdpa:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        elif self.spelling == 2 and bias is None:  # heads among the images
            q, k, v = (part.reshape(n * self.num_heads, length, self.head_dim) for part in (q, k, v))
            y = torch.bmm((q @ k.transpose(1, 2)).softmax(-1), v).view(n, self.num_heads, length, self.head_dim)
        else:
            attended = (q * self.head_dim**-0.5) @ k.transpose(-2, -1)
            y = (attended if bias is None else attended + bias).softmax(dim=-1) @ v
        width = (self.attn_dim, -1, self.num_heads * self.head_dim, self.attn_dim)[self.spelling]
        y = self.proj(y.transpose(1, 2).reshape(n, length, width))
        y = y.transpose(1, 2).reshape(n, channels, SIDE, SIDE)
        return x + F.interpolate(y, size=x.shape[2:])
