from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from emopms.network import filters_of, kept_channels, mean_by_gene, pruned_state, subnetworks_of
from emopms.testing.tiny import tiny


@pytest.mark.slow
def test_rows_are_the_weights_of_output_channels() -> None:
    (sub,) = tiny(points=()).subnetworks
    found = {each.layer: each for each in filters_of(sub)}
    assert {group.name for group in sub.channels.groups} == set(found)
    for group in sub.channels.groups:
        each = found[group.name]
        weight = sub.module.get_parameter(each.weight)
        assert torch.equal(each.rows, weight.detach().flatten(1))
        assert not each.rows.requires_grad
        assert each.genes.tolist() == list(range(group.start, group.start + group.size))


@pytest.mark.parametrize("points", [(), ("stage1",)])
def test_kept_channels_are_those_of_the_pruned_layers(points: tuple[str, ...]) -> None:
    for sub in tiny(points=points).subnetworks:
        genomes = np.random.default_rng(0).random((4, sub.channels.genes)) < 0.5
        genomes = sub.repair(genomes, np.arange(sub.channels.genes, dtype=float))
        kept = kept_channels(sub, genomes)
        assert set(kept) == {layer.name for layer in sub.channels.layers}
        for row, genome in enumerate(genomes):
            state = pruned_state(sub.module, [(sub.channels, genome)])
            for layer in sub.channels.layers:
                assert kept[layer.name][row] == state[layer.weight].shape[0]


def test_outputs_of_a_transposed_convolution_are_counted_along_its_own_dimension() -> None:
    network = nn.Sequential(nn.ConvTranspose2d(3, 6, 2), nn.ReLU(), nn.Conv2d(6, 2, 1))
    (sub,) = subnetworks_of(network, [], torch.randn(2, 3, 4, 4), prune_residual=False)
    genomes = np.array([[True] * 6, [True] * 2 + [False] * 4])
    assert {name: kept.tolist() for name, kept in kept_channels(sub, genomes).items()} == {"0": [6, 2], "2": [2, 2]}


def test_means_leave_out_what_has_no_gene() -> None:
    found = mean_by_gene(3, [(np.array([0, -1]), np.array([2.0, 9.0])), (np.array([0, 1]), np.array([4.0, 5.0]))])
    assert found.tolist() == [3.0, 5.0, 4.0]  # the last gene has no value
    assert mean_by_gene(2, []).tolist() == [0.0, 0.0]
