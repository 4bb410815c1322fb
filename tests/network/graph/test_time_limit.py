from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from torch import Tensor, nn

from emopms.errors import NetworkError
from emopms.network.graph import time_limit
from emopms.network.graph.trace import trace

from ..networks import IMAGES, Net

if TYPE_CHECKING:
    from collections.abc import Callable


def _long(x: Tensor) -> Tensor:
    for _ in range(100_000):
        x = x + 0
    return x


def _for_ever(x: Tensor) -> Tensor:
    while True:
        pass


@pytest.mark.parametrize("run", [_long, _for_ever])
def test_a_network_that_takes_too_long_is_interrupted_and_the_module_named(
    run: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limit, "SECONDS", 0.2)
    slow = Net(lambda net, x: run(x))
    network = Net(lambda net, x: net.stage(net.conv(x)), conv=nn.Conv2d(2, 2, 1), stage=slow).double()
    with pytest.raises(NetworkError, match="'stage'") as caught:
        trace(network, IMAGES[:2])
    assert "another model" in caught.value.remedy
    trace(network.conv, IMAGES[:2])  # type: ignore[arg-type]  # and nothing goes on ticking


def test_what_ends_in_time_is_left_alone() -> None:
    with time_limit.time_limit(nn.Identity()):
        pass
