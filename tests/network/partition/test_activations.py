from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from emopms.network import SubNetwork, feature_maps, filters_of, gate_gradients, subnetworks_of
from emopms.testing.tiny import images, tiny


def test_maps_are_taken_behind_normalisation_and_activation() -> None:
    setting = tiny(points=())
    (sub,) = setting.subnetworks
    (maps,) = feature_maps(sub, images(8))
    assert set(maps) == {each.layer for each in filters_of(sub)}
    first = sub.channels.groups[0].name
    assert all(features.shape[0] == 8 for features in maps.values())
    assert float(maps[first].min()) == 0, "behind the rectifier"


def test_derivatives_are_those_of_a_gate() -> None:
    setting = tiny(points=())
    (sub,) = setting.subnetworks
    found = gate_gradients(sub, images(5), setting.labels[:5])
    assert found.shape == (5, sub.channels.genes)
    norms = {
        f"{path}.weight": path for path, module in sub.module.named_modules() if isinstance(module, nn.BatchNorm2d)
    }
    for group in (sub.channels.groups[0], sub.channels.groups[-1]):
        gene = group.start + 1
        (norm,) = [path for weight, path in norms.items() if gene in sub.channels.dims.get(weight, {}).get(0, ())]
        module = sub.module.get_submodule(norm)
        losses = [
            _losses_with_gate(sub, module, gene - group.start, gate, setting.labels[:5]) for gate in (0.999, 1.001)
        ]
        assert np.allclose(found[:, gene], (losses[1] - losses[0]) / 0.002, atol=0.02)


def _losses_with_gate(sub: SubNetwork, norm: nn.Module, channel: int, gate: float, labels: torch.Tensor) -> np.ndarray:
    """Losses [N] with one channel of a batch norm scaled; a rectifier passes a positive scale on."""
    saved = [norm.weight.detach().clone(), norm.bias.detach().clone()]  # type: ignore[operator]
    with torch.no_grad():
        norm.weight[channel] *= gate  # type: ignore[index, operator]
        norm.bias[channel] *= gate  # type: ignore[index, operator]
        losses = F.cross_entropy(sub.module(images(5)), labels, reduction="none").double().numpy()
        norm.weight.copy_(saved[0])  # type: ignore[operator]
        norm.bias.copy_(saved[1])  # type: ignore[operator]
    return losses


class _Tokens(nn.Module):
    """Linear layers on tokens [N, T, C], whose channels come last."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down, self.head = nn.Linear(3, 8), nn.Linear(8, 3), nn.Linear(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        scores: torch.Tensor = self.head(self.down(F.gelu(self.up(tokens))).mean(dim=1))
        return scores


def test_channels_of_tokens_come_first() -> None:
    network = _Tokens().eval()
    (sub,) = subnetworks_of(network, [], images(2))
    (maps,) = feature_maps(sub, images(4))
    assert maps["up"].shape == (4, 8, 64)
    slopes = gate_gradients(sub, images(4), torch.arange(4))
    assert np.abs(slopes).max() > 0
