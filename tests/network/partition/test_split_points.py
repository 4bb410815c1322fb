"""What is refused, and with which words; `tests/builtin/split` has what is found."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from emopms.errors import NetworkError
from emopms.network.partition.split_points import block_points, cut_points, even_points
from emopms.network.partition.subnetwork import subnetworks_of

from ..networks import Net


@pytest.mark.parametrize("parts", [1, 3])
def test_a_network_with_nothing_to_prune_is_not_said_to_be_one_part_at_most(parts: int) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.Softmax(1), nn.Linear(2, 2))
    with pytest.raises(NetworkError, match="Sequential has no channel that could be pruned") as caught:
        even_points(network, torch.zeros(2, 1, 2, 2), parts)
    assert "at most" not in caught.value.message


class _Streams(nn.Module):
    """Nothing but a residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(2, 6, 1), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.a(x)
        return self.c(x + self.b(x))  # type: ignore[no-any-return]


def test_a_network_of_nothing_but_residual_streams_is_told_the_switch() -> None:
    network, example = nn.Sequential(_Streams(), nn.Softmax(1), _Streams(), nn.Flatten()), torch.zeros(2, 2, 2, 2)
    for find in (
        lambda: subnetworks_of(network, [], example),
        lambda: subnetworks_of(network, ["0"], example),
        lambda: even_points(network, example, 2),
        lambda: block_points(network, example),
    ):
        with pytest.raises(NetworkError) as caught:
            find()
        assert "Set `genome: {prune_residual: true}`: it opens residual streams" in caught.value.remedy
    assert len(subnetworks_of(network, ["0"], example, prune_residual=True)) == 2
    nothing = nn.Sequential(nn.Flatten(), nn.Linear(8, 2))
    with pytest.raises(NetworkError) as caught:
        subnetworks_of(nothing, [], example)
    assert "prune_residual" not in caught.value.remedy


def test_a_network_is_cut_wherever_one_tensor_passes() -> None:
    network = nn.Sequential(_Streams(), nn.Softmax(1), _Streams(), nn.Flatten())
    assert cut_points(network, torch.zeros(2, 2, 2, 2)) == ["0.a", "0", "1", "2.a", "2"]


def test_layers_inside_a_layer_cost_where_it_runs() -> None:
    network = Net(
        lambda net, x: net.scores(net.encoder(net.b(net.a(x).relu()).relu().flatten(2).mT).mean(1)),
        a=nn.Conv2d(2, 8, 3, padding=1),
        b=nn.Conv2d(8, 8, 3, padding=1),
        encoder=nn.TransformerEncoderLayer(8, 2, 32, batch_first=True),
        scores=nn.Linear(8, 3),
    )
    images = torch.zeros(2, 2, 4, 4)
    assert even_points(network, images, 2) == ["b"]
    first, second = subnetworks_of(network, ["b"], images)
    macs = [int(sub.costs.macs(sub.dense[None])[0]) for sub in (first, second)]
    assert macs == [16 * 9 * (2 * 8 + 8 * 8), 16 * (4 * 8 * 8 + 2 * 8 * 32) + 8 * 3]
