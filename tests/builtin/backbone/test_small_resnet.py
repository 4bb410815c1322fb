from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.network.costs.cost_model import count
from emopms.network.partition.subnetwork import subnetworks_of

DIGITS = (1, 8, 8)


@pytest.mark.parametrize("shape", [DIGITS, (1, 28, 28), (3, 5, 7)])
@pytest.mark.parametrize("widths", [(3,), (4, 4), (4, 8, 6, 12)])
def test_any_widths_and_image_size(shape: tuple[int, ...], widths: tuple[int, ...]) -> None:
    network = SmallResNet(widths=widths, blocks=2).build(input_shape=shape, classes=5)
    assert network(torch.randn(2, *shape)).shape == (2, 5)


def test_shortcuts_project_only_where_width_or_stride_changes() -> None:
    network = SmallResNet(widths=(4, 4, 8), blocks=2).build(input_shape=DIGITS, classes=10)
    projections = [name for name in network.state_dict() if name.endswith("shortcut.0.weight")]
    assert projections == ["stage2.0.shortcut.0.weight", "stage3.0.shortcut.0.weight"]
    assert network.get_parameter(projections[1]).shape == (8, 4, 1, 1)


def test_macs_are_those_of_its_convolutions_and_linear_layer() -> None:
    network = SmallResNet(widths=(4, 8)).build(input_shape=DIGITS, classes=10)
    stem, first = 64 * 9 * 4, 64 * 9 * 4 * 4 * 2
    second = 16 * (9 * 4 * 8 + 9 * 8 * 8 + 4 * 8)
    assert count(network, torch.zeros(2, *DIGITS)).macs == stem + first + second + 8 * 10


def test_splits_and_channel_groups() -> None:
    network = SmallResNet().build(input_shape=DIGITS, classes=10).eval()
    x = torch.randn(4, *DIGITS)
    parts = subnetworks_of(network, ["stage1", "stage2"], x)
    assert [[(g.name, g.size) for g in part.channels.groups] for part in parts] == [
        [("stage1.0.conv1", 16)],
        [("stage2.0.conv1", 32)],
        [("stage3.0.conv1", 64)],
    ]
    out = x
    for part in parts:
        out = part.module.eval()(out)
    torch.testing.assert_close(out, network(x))


def test_forward_keeps_its_scale_at_initialisation() -> None:
    torch.manual_seed(0)
    network = SmallResNet(blocks=2).build(input_shape=(1, 28, 28), classes=10)
    assert 0.1 < network(torch.randn(32, 1, 28, 28)).std().item() < 20


def test_a_list_serves_as_widths() -> None:
    assert SmallResNet.model_validate({"widths": [4, 8]}).widths == (4, 8)


@pytest.mark.parametrize("values", [{"widths": []}, {"widths": [8, 0]}, {"widths": ["8"]}, {"blocks": 0}])
def test_bad_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SmallResNet.model_validate(values)
