from __future__ import annotations

import torch
from torch import nn

from emopms.network.layers.head_counts import head_count_attributes, heads_of, number_of_heads


class Attention(nn.Module):
    def __init__(self, heads: int = 3, width: int = 12) -> None:
        super().__init__()
        self.num_heads, self.dim, self.unread_heads = heads, width, heads
        self.proj = nn.Linear(width, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.reshape(len(x), self.num_heads, -1).flatten(1)
        return self.proj(x) / self.dim  # type: ignore[no-any-return]


def test_numbers_of_heads_and_their_total_width_follow_the_projection() -> None:
    assert head_count_attributes(Attention()) == ("proj", {"num_heads": 4, "dim": 1})


def test_nothing_follows_without_several_heads_or_a_projection_of_their_width() -> None:
    assert head_count_attributes(Attention(heads=1)) == ("", {})
    assert head_count_attributes(Attention(heads=5)) == ("", {})
    assert head_count_attributes(nn.Linear(3, 3)) == ("", {})


def test_numbers_after_the_projection_got_another_weight() -> None:
    module = Attention()
    assert number_of_heads(module.proj.weight, 4) == 3
    module.proj.weight = nn.Parameter(torch.zeros(5, 8))
    assert heads_of(module) == {"num_heads": 2, "dim": 8}
