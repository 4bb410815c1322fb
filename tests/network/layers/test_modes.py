from __future__ import annotations

import pytest
from torch import nn

from emopms.network.layers.modes import in_eval


def test_every_module_gets_its_own_mode_back_even_after_an_error() -> None:
    network = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm1d(2)))
    network[1].eval()
    modes = [module.training for module in network.modules()]
    with in_eval(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == modes
    with pytest.raises(ValueError, match="spoilt"), in_eval(network):
        raise ValueError("spoilt")
    assert [module.training for module in network.modules()] == modes
