from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from emopms_onnx.conversion import open_session, run
from emopms_onnx.exporter import Onnx
from pydantic import ValidationError
from torch import nn

from emopms.api import PrunedModel
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.errors import RunError
from emopms.network import fit_to, pruned_state, subnetworks_of
from emopms.testing import ExporterConformance

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.slow  # each test exports a network


class TestOnnx(ExporterConformance):
    component = Onnx()


@pytest.fixture(scope="module")
def model() -> PrunedModel:
    torch.manual_seed(0)
    network = SmallResNet(widths=(4, 6)).build(input_shape=(1, 8, 8), classes=3).eval()
    example = torch.randn(2, 1, 8, 8)
    (sub,) = subnetworks_of(network, [], example)
    genome = np.arange(sub.channels.genes) % 3 > 0
    fit_to(network, pruned_state(network, [(sub.channels, genome)]))
    return PrunedModel(network, example, {})


def outputs(path: Path, images: torch.Tensor) -> torch.Tensor:
    (scores,) = onnxruntime.InferenceSession(path).run(["output"], {"input": images.numpy()})
    return torch.as_tensor(scores)


@pytest.fixture(scope="module")
def written(model: PrunedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    Onnx().export(model, folder)
    return folder / "model.onnx"


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_pruned_network_is_the_same_in_onnxruntime_for_any_batch_size(
    model: PrunedModel, written: Path, size: int
) -> None:
    images = torch.randn(size, 1, 8, 8)
    torch.testing.assert_close(outputs(written, images), model.network(images), rtol=1e-4, atol=1e-5)


def test_one_file_as_small_as_the_network_that_knows_no_paths(model: PrunedModel, written: Path) -> None:
    assert list(written.parent.iterdir()) == [written]
    weights = sum(parameter.numel() for parameter in model.network.parameters())
    assert sum(int(np.prod(tensor.dims)) for tensor in onnx.load(written).graph.initializer) <= 1.1 * weights
    assert b".py" not in written.read_bytes()


def test_the_opset_asked_for_is_written_in_silence(
    model: PrunedModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Onnx(opset=18).export(model, tmp_path)
    assert [opset.version for opset in onnx.load(tmp_path / "model.onnx").opset_import] == [18]
    assert capfd.readouterr() == ("", "")


def test_an_opset_that_is_not_reached_is_refused(
    model: PrunedModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunError, match="cannot be converted to opset 99"):
        Onnx(opset=99).export(model, tmp_path)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ValidationError):
        Onnx(opset=17)


@pytest.mark.parametrize("scale", [1e-6, 1.0])
def test_a_file_with_other_outputs_is_refused(
    scale: float, model: PrunedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = copy.deepcopy(model.network)
    with torch.no_grad():
        for parameter in list(network.parameters())[-2:]:
            parameter.mul_(scale)
    convert = torch.onnx.export

    def damaged(network: nn.Module, *args: Any, **options: Any) -> Any:
        other = copy.deepcopy(network)
        with torch.no_grad():
            list(other.parameters())[-1].add_(scale)
        return convert(other, *args, **options)

    monkeypatch.setattr(torch.onnx, "export", damaged)
    with pytest.raises(RunError, match=r"other outputs in onnxruntime than the pruned network \(by up to 1(e-06)?,"):
        Onnx().export(replace(model, network=network), tmp_path)


def test_an_invalid_file_is_refused(model: PrunedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def invalid(*_: Any, **__: Any) -> None:
        raise onnx.checker.ValidationError("no such node")

    monkeypatch.setattr(onnx.checker, "check_model", invalid)
    with pytest.raises(RunError, match=r"model\.onnx is not valid ONNX: no such node"):
        Onnx().export(model, tmp_path)


def test_what_onnxruntime_cannot_run_is_refused_in_silence(
    written: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(RunError, match=r"cannot run model\.onnx"):
        open_session(tmp_path / "model.onnx")
    with pytest.raises(RunError, match="fails on a batch of 3"):
        run(open_session(written), np.zeros((3, 2, 8, 8), dtype=np.float32))
    assert capfd.readouterr() == ("", "")


class Complex(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        eigenvalues: torch.Tensor = torch.linalg.eigvals(x[:, None] * x[:, :, None])
        return eigenvalues.real


def test_a_network_beyond_onnx_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot be converted to ONNX: .*linalg_eig") as refused:
        Onnx().export(PrunedModel(Complex(), torch.randn(2, 1, 2, 2), {}), tmp_path)
    assert "\n" not in refused.value.message


def test_a_spec_that_names_the_components_is_read_without_torch_and_onnx() -> None:
    script = """
import sys, emopms
spec = emopms.Spec(version=1, name="x", backbone="small_resnet", data="digits", targets=[{"macs": 0.5}],
                   objectives=["capability", {"name": "latency", "runtime": "onnxruntime"}],
                   export=["safetensors", {"name": "onnx", "opset": 20}])
assert spec.export[1].opset == 20 and spec.objectives[1].batch_size == 1
print(sorted({"torch", "onnx", "onnxruntime", "onnxscript", "numpy"} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
