from __future__ import annotations

import numpy as np
import torch

from emopms.network import filters_of, mean_by_gene
from emopms.testing.tiny import tiny


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


def test_means_leave_out_what_has_no_gene() -> None:
    found = mean_by_gene(3, [(np.array([0, -1]), np.array([2.0, 9.0])), (np.array([0, 1]), np.array([4.0, 5.0]))])
    assert found.tolist() == [3.0, 5.0, 4.0]  # the last gene has no value
    assert mean_by_gene(2, []).tolist() == [0.0, 0.0]
