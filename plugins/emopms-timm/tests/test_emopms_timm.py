"""Tests of the backbone: the networks it builds, the settings it refuses, and the imports it avoids."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from emopms_timm import Timm
from pydantic import ValidationError

from emopms import Spec, load_spec
from emopms.errors import NetworkError, PluginError, SpecError
from emopms.network import subnetworks_of
from emopms.testing import BackboneConformance

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (3, 32, 32)
SPEC = """\
version: 1
name: with-timm
backbone: {{name: timm, {backbone}}}
data: digits
targets: [{{macs: 0.5}}]
"""


class TestTimm(BackboneConformance):
    component = Timm(model="test_resnet", args={"drop_rate": 0.1})
    input_shape = SHAPE
    classes = 3


def build(model: str, **args: Any) -> torch.nn.Module:
    return Timm(model=model, args=args).build(input_shape=SHAPE, classes=3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        *("resnet10t", "resnet26d", "resnext50_32x4d", "dla46_c", "selecsls42", "seresnet18", "regnety_002"),
        *("vgg11_bn", "densenet121", "mobilenetv2_100", "mobilenetv3_small_100", "efficientnet_lite0", "ghostnet_100"),
        *("convnext_atto", "poolformer_s12"),
    ],
)
def test_families_that_can_be_pruned(model: str) -> None:
    (whole,) = subnetworks_of(build(model), [], torch.zeros(2, *SHAPE))
    smallest = whole.repair(np.zeros((1, whole.channels.genes), dtype=np.bool_), np.zeros(whole.channels.genes))
    assert whole.costs.macs(smallest)[0] < 0.2 * whole.costs.macs(whole.dense[None])[0]


def test_of_transformers_the_mlps_can_be_pruned() -> None:
    (whole,) = subnetworks_of(build("test_vit"), [], torch.zeros(2, *SHAPE))
    assert any("mlp.fc1" in group.name for group in whole.channels.groups)


def test_image_size_reaches_models_that_need_it() -> None:
    network = Timm(model="test_vit").build(input_shape=(1, 32, 64), classes=5).eval()
    assert network(torch.zeros(2, 1, 32, 64)).shape == (2, 5)


def test_arguments_reach_timm() -> None:
    assert build("test_resnet", channels=[8, 8, 16, 24]).get_parameter("fc.weight").shape == (3, 24)


def test_components_with_equal_arguments_are_one_key() -> None:
    same = [Timm(model="resnet18", args={"block_args": {"attn_layer": "se"}, "channels": [8, 8]}) for _ in range(2)]
    assert len(set(same)) == 1


def test_unknown_models_are_refused_with_a_few_near_ones() -> None:
    with pytest.raises(NetworkError, match="no model 'resnet_18'") as caught:
        build("resnet_18")
    assert "'resnet18'" in caught.value.remedy
    assert len(caught.value.remedy) < 200


def test_names_near_to_nothing_are_refused() -> None:
    with pytest.raises(NetworkError) as caught:
        build("§")
    assert "Did you mean" not in caught.value.remedy


def test_deprecated_names_are_refused_for_what_they_stand_for() -> None:
    with pytest.raises(NetworkError) as caught:
        build("tv_resnet34")
    assert "'resnet34'" in caught.value.remedy


def test_arguments_that_the_model_does_not_take_are_refused() -> None:
    with pytest.raises(NetworkError, match=r"resnet18 with num_classes=3, in_chans=3, depth=3: TypeError.*'depth'"):
        build("resnet18", depth=3)


@pytest.mark.parametrize(
    "model", ["resnet18.a1_in1k", "hf-hub:timm/resnet18.a1_in1k", "local-dir:/models/mine", "timm/resnet18", "C:\\mine"]
)
def test_names_that_bring_weights_are_refused(model: str) -> None:
    with pytest.raises(ValidationError, match="`weights`"):
        Timm(model=model)


@pytest.mark.parametrize(
    "name", ["pretrained", "checkpoint_path", "cache_dir", "pretrained_cfg", "pretrained_cfg_overlay", "num_classes"]
)
def test_arguments_that_others_decide_on_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=f"'{name}' is not accepted"):
        Timm(model="resnet18", args={name: True})


def test_arguments_that_are_no_json_are_refused() -> None:
    with pytest.raises(ValidationError, match="finite"):
        Timm(model="resnet18", args={"drop_rate": float("nan")})


def test_a_wrong_spec_is_told_where(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC.format(backbone="model: resnet18.tag, args: {drop_rate: 0, in_chans: 1}"))
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "spec.yaml")
    assert [problem.dotted for problem in caught.value.problems] == ["backbone.model", "backbone.args.in_chans"]


def test_a_timm_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(PluginError, match="emopms-timm cannot import timm") as caught:
        build("resnet18")
    assert "torchvision" in caught.value.remedy


def test_naming_it_imports_neither_torch_nor_timm(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC.format(backbone="model: resnet18"))
    code = (
        "import sys, emopms; spec = emopms.load_spec(sys.argv[1]); "
        "print(spec.backbone.model, *{'torch', 'timm', 'torchvision'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "spec.yaml"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["resnet18"]


def test_specs_keep_it(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC.format(backbone="model: resnet18, args: {block_args: {rd_ratio: 0.5}}"))
    spec = load_spec(tmp_path / "spec.yaml")
    assert Spec.model_validate(spec.resolved()) == spec
