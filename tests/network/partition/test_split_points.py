"""What is refused, and with which words; `tests/builtin/split` has what is found."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from emopms.errors import NetworkError
from emopms.network.partition.split_points import even_points


@pytest.mark.parametrize("parts", [1, 3])
def test_a_network_with_nothing_to_prune_is_not_said_to_be_one_part_at_most(parts: int) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.Softmax(1), nn.Linear(2, 2))
    with pytest.raises(NetworkError, match="Sequential has no channel that could be pruned") as caught:
        even_points(network, torch.zeros(2, 1, 2, 2), parts)
    assert "at most" not in caught.value.message
