"""A forward pass that cannot be used is refused with the true cause, whatever the error that it raises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from emopms.engine.models.forward_pass import forward_pass
from emopms.errors import NetworkError

EXAMPLE = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class _Plain(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.head = nn.Linear(108, 5, **options)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(images.flatten(1))
        return scores


class _Autocast(_Plain):
    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(images)


class _AutocastInside(_Plain):
    """Gives fp32 scores all the same."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            scores = super().forward(images)
        return scores.float()


class _WithoutAutocast(_Plain):
    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return super().forward(images)


class _Keywords(_Plain):
    def forward(self, **named: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(named["images"])


class _TwoInputs(_Plain):
    def forward(self, images: Tensor, others: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(images + others)


@pytest.mark.parametrize("network", [_Plain(), _WithoutAutocast()])
def test_a_plain_forward_gives_its_scores(network: nn.Module) -> None:
    assert forward_pass(network, EXAMPLE, training=False).shape == (2, 5)


@pytest.mark.parametrize("network", [_Autocast(), _AutocastInside()])
def test_autocast_in_a_forward_is_refused(network: nn.Module) -> None:
    with pytest.raises(NetworkError, match=r"by torch\.autocast") as caught:
        forward_pass(network, EXAMPLE, training=False)
    assert "Take torch.autocast out" in caught.value.remedy


@pytest.mark.parametrize(
    ("network", "message", "remedy"),
    [
        (_Keywords(), "too many positional arguments", "forward(self, x)"),
        (_TwoInputs(), "missing a required argument: 'others'", "forward(self, x)"),
        (_Plain(device="meta"), "'head.weight' is on the device meta", "on the CPU, with values"),
        (nn.Linear(7, 5), "RuntimeError: ", "images of the size"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_the_true_cause_is_said(network: nn.Module, message: str, remedy: str) -> None:
    with pytest.raises(NetworkError) as caught:
        forward_pass(network, EXAMPLE, training=True)
    assert f"In training mode the forward of {type(network).__name__} fails on images [2, 3, 6, 6]" in str(caught.value)
    assert message in caught.value.message
    assert remedy in caught.value.remedy
