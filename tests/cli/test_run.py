"""``emopms run`` as a user meets it: exit codes, one-screen errors, no tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.cli.main import main
from tests.engine.conftest import TINY

if TYPE_CHECKING:
    from pathlib import Path


def _write(folder: Path, **changes: Any) -> Path:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(TINY | changes, sort_keys=False))
    return path


def _fail(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["run", *arguments])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err + shown.out
    assert len(shown.err.splitlines()) <= 24, "an error fits on one screen"
    return code, shown.err


def test_a_missing_data_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = _write(tmp_path, data={"name": "image_folder", "root": "cats.zip"})
    code, error = _fail(capsys, str(spec), "--run-dir", str(tmp_path / "run"))
    assert code == 3
    assert "cats.zip" in error
    assert "--data-root" in error


def test_a_missing_data_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = _write(tmp_path)
    code, error = _fail(capsys, str(spec), "--run-dir", str(tmp_path / "run"), "--data-root", str(tmp_path / "none"))
    assert code == 3
    assert "is not a folder" in error


@pytest.mark.parametrize("content", ["garbage", "other network", "pickle"])
def test_wrong_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    path = tmp_path / "weights.safetensors"
    if content == "garbage":
        path.write_bytes(b"\xff" * 100)
    elif content == "pickle":
        torch.save({"weight": torch.zeros(1)}, path)
    else:
        save_file({"conv.weight": torch.zeros(3)}, path)
    spec = _write(tmp_path, backbone=TINY["backbone"] | {"weights": "weights.safetensors"})
    code, error = _fail(capsys, str(spec), "--run-dir", str(tmp_path / "run"))
    assert code == 3
    assert "weights.safetensors" in error
    if content == "other network":
        assert "missing: stem" in error
        assert "not in the network: conv.weight" in error


def test_a_target_out_of_reach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = _write(tmp_path, targets=[{"macs": 0.6}, {"macs": 0.01}])
    code, error = _fail(capsys, str(spec), "--run-dir", str(tmp_path / "run"))
    assert code == 2
    assert f"{spec}:" in error
    assert "targets[1].macs" in error
    assert "cannot be met" in error


@pytest.mark.slow
def test_a_target_that_the_search_did_not_reach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = _write(
        tmp_path,
        targets=[{"macs": 0.3}],
        aim=0,
        sampling={"name": "importance", "least": 0.9},
        algorithm={"name": "random", "pop_size": 4, "generations": 1},
        pretrain={"epochs": 2, "lr": 0.1, "batch_size": 32},
        constraint="none",
    )
    code, error = _fail(capsys, str(spec), "--run-dir", str(tmp_path / "run"), "--device", "cpu", "--quiet")
    assert code == 3
    assert "No scheme that the search found meets the target macs-0.3" in error
    assert "generations" in error


def test_a_split_point_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = _write(tmp_path, split=["stage1", "stgae2"])
    code, error = _fail(capsys, str(spec), "--run-dir", str(tmp_path / "run"))
    assert code == 2
    assert "split[1]" in error
    assert "Did you mean 'stage2'?" in error
    line = next(i for i, text in enumerate(spec.read_text().splitlines(), start=1) if "stgae2" in text)
    assert f"{spec}:{line}:" in error


def test_normalisation_that_does_not_fit_the_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = _write(tmp_path, data=TINY["data"] | {"mean": [0.1, 0.2, 0.3]})
    code, error = _fail(capsys, str(spec), "--run-dir", str(tmp_path / "run"))
    assert code == 2
    assert "data.mean" in error


def test_a_network_that_learns_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (300, 8, 8), dtype=np.uint8), rng.integers(0, 10, 300)
    np.savez(tmp_path / "noise.npz", x_train=noise[0], y_train=noise[1], x_test=noise[0], y_test=noise[1])
    data = {"name": "arrays", "file": "noise.npz", "calibration": 50, "validation": 100}
    spec = _write(tmp_path, data=data, pretrain={"epochs": 1})
    code, error = _fail(capsys, str(spec), "--run-dir", str(tmp_path / "run"), "--quiet")
    assert code == 3
    assert "no better than guessing" in error


def test_cuda_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, error = _fail(capsys, str(_write(tmp_path)), "--run-dir", str(tmp_path / "run"), "--device", "cuda")
    assert code == 3
    assert "CUDA" in error


@pytest.mark.slow
def test_a_run_directory_that_is_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from emopms.engine.storage.store import Store

    with Store(tmp_path / "run" / "store").lock():
        code, error = _fail(capsys, str(_write(tmp_path)), "--run-dir", str(tmp_path / "run"))
    assert code == 3
    assert "Another emopms process" in error


def test_a_run_directory_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").write_text("not a folder")
    code, error = _fail(capsys, str(_write(tmp_path)), "--run-dir", str(tmp_path / "run"))
    assert code == 3
    assert "--run-dir" in error


def test_a_run_directory_of_too_long_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, error = _fail(capsys, str(_write(tmp_path)), "--run-dir", str(tmp_path / ("a" * 300)))
    assert code == 3
    assert "File name too long" in error


@pytest.mark.slow
def test_as_a_process_in_plain_lines_with_a_table_at_the_end(tmp_path: Path) -> None:
    spec = _write(tmp_path, finetune={"epochs": 0}, export=["safetensors"])
    command = [sys.executable, "-m", "emopms", "run", str(spec), "--run-dir", "out"]
    environment = {name: value for name, value in os.environ.items() if name != "EMOPMS_DATA"} | {"COLUMNS": "160"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "evolve/1: 4/4 generations, front" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout, "no terminal, no control codes"
    assert "macs-0.6" in done.stdout
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["command"] == ["emopms", "run", str(spec), "--run-dir", "out"]


@pytest.mark.slow
def test_quiet_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    spec = _write(tmp_path, finetune={"epochs": 0}, export=["safetensors"])
    assert main(["run", str(spec), "--run-dir", str(tmp_path / "out"), "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


def test_data_of_one_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels, labels = np.zeros((60, 8, 8), dtype=np.uint8), np.zeros(60, dtype=np.int64)
    np.savez(tmp_path / "one.npz", x_train=pixels, y_train=labels, x_test=pixels, y_test=labels)
    data = {"name": "arrays", "file": "one.npz", "calibration": 10, "validation": 10}
    code, error = _fail(capsys, str(_write(tmp_path, data=data)), "--run-dir", str(tmp_path / "run"))
    assert code == 3
    assert "class" in error


@pytest.mark.parametrize("point", ["stage1.0.conv1", "stem", "head"])
def test_a_split_point_where_nothing_can_be_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str], point: str) -> None:
    code, error = _fail(capsys, str(_write(tmp_path, split=[point])), "--run-dir", str(tmp_path / "run"))
    assert code == 2
    assert "split[0]" in error


def test_weights_that_are_not_finite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = SmallResNet(widths=(8, 8, 16)).build(input_shape=(1, 8, 8), classes=10)
    save_file({name: tensor * float("nan") for name, tensor in network.state_dict().items()}, tmp_path / "nan.st")
    spec = _write(tmp_path, backbone=TINY["backbone"] | {"weights": "nan.st"})
    code, error = _fail(capsys, str(spec), "--run-dir", str(tmp_path / "run"))
    assert code == 3
    assert "not finite" in error


@pytest.mark.slow
def test_what_is_in_the_way_of_the_results_gets_another_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run" / "result.json").mkdir(parents=True)
    spec = _write(tmp_path, finetune={"epochs": 0}, export=["safetensors"])
    assert main(["run", str(spec), "--run-dir", str(tmp_path / "run"), "--quiet", "--device", "cpu"]) == 0
    assert "kept as result.json.kept" in capsys.readouterr().err
    assert (tmp_path / "run" / "result.json").is_file()
    assert (tmp_path / "run" / "result.json.kept").is_dir()
