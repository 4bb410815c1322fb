from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from emopms.builtin.split.at import At


def test_it_finds_the_points_it_was_given_in_their_order() -> None:
    network, example = nn.Identity(), torch.zeros(2, 1, 4, 4)
    assert At(points=("b", "a")).find(network, example) == ["b", "a"]
    assert At().find(network, example) == []


@pytest.mark.parametrize("points", ["layer1", [1], None, [["layer1"]]])
def test_points_are_a_list_of_paths(points: object) -> None:
    with pytest.raises(ValidationError):
        At.model_validate({"points": points})
