"""``emopms plan`` as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import emopms
from emopms.cli.main import main
from emopms.cli.tables import duration
from emopms.engine.forecast.forecast import forecast
from emopms.engine.timing.stopwatch import TimingEffort
from tests.engine.conftest import TINY, tiny

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = forecast.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "effort", TimingEffort(min_seconds=0.0, min_repetitions=1))


def _plan(folder: Path, capsys: pytest.CaptureFixture[str], *options: str, **changes: Any) -> tuple[int, str, str]:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(TINY | {"export": ["safetensors"]} | changes, sort_keys=False))
    code = main(["plan", str(path), "--run-dir", str(folder / "run"), "--device", "cpu", *options])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err + shown.out
    return code, shown.out, shown.err


def _row(text: str, first: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(first)).split()


@pytest.mark.slow
def test_what_it_shows_in_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _plan(tmp_path, capsys)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert not [line for line in out.splitlines() if line != line.rstrip()]
    assert "\nimages: training 1,054, calibration 128, ranking 128, validation 128, test 359\n" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["1", "stem,", "stage1"] in lines
    assert ["3", "stage3,", "head"] in lines
    (first,) = [line for line in lines if line[:4] == ["1", "8", "1", "10^2.4"]]
    assert first[-2:] == ["≤", "33"]
    (searches,) = [line for line in lines if line[:1] == ["total"] and line[-2] == "≤"]
    assert ["refine", "≤", "49"] in lines, "twelve schemes for four generations, and the dense one"
    assert searches[-1] == str(3 * 33 + 49)
    pinned = next(line for line in out.splitlines() if line.startswith("stem.0"))
    assert "stage1.0.conv2" in pinned
    assert pinned.rstrip().endswith("it leaves the sub-network, which `genome: {prune_boundaries: true}` opens")
    row = _row(out, "macs-0.6")
    assert (row[1], row[-1]) == ("macs", "yes")
    assert _row(out, "pretrain")[:3] == ["pretrain", "to", "run"]
    assert _row(out, "working")[2] in ("MiB", "GiB"), "that of this process, which may have run other tests"
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_finished_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    emopms.run(tiny(export=["safetensors"]), run_dir=tmp_path / "run", device="cpu")
    code, out, _ = _plan(tmp_path, capsys)
    assert code == 0
    assert _row(out, "export/macs-0.6") == ["export/macs-0.6", "cached"]
    assert "0 to run" in out
    assert "memory" not in out
    code, out, _ = _plan(tmp_path, capsys, "--set", "finetune.epochs=0")
    assert _row(out, "join") == ["join", "cached"]
    assert _row(out, "finetune/macs-0.6")[1:3] == ["to", "run"]


@pytest.mark.slow
def test_targets_out_of_reach_are_shown_and_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    targets = [{"macs": 0.6}, {"macs": 0.001}, {"accuracy_drop": 0.01}]
    code, out, err = _plan(tmp_path, capsys, targets=targets)
    assert code == 2
    verdicts = [line.split()[-1] for line in out.splitlines() if line.startswith("macs-")]
    assert verdicts == ["yes", "no"]
    assert "unknown until schemes are measured" in out
    assert "targets[1].macs: cannot be met" in err


@pytest.mark.slow
def test_overrides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = _plan(tmp_path, capsys, "--set", "algorithm.generations=2")
    assert "≤ 17" in out


def test_missing_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _plan(tmp_path, capsys, data={"name": "image_folder", "root": "cats.zip"})
    assert (code, out) == (3, "")
    assert "cats.zip" in err
    assert "--data-root" in err


@pytest.mark.slow
def test_a_warning_is_one_plain_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _plan(tmp_path, capsys, data=TINY["data"] | {"calibration": 500})
    assert code == 0
    assert "images: training 310, calibration 500, ranking 500, validation 128, test 359" in out
    assert err == (
        "calibration and ranking take 1,000 of the 1,438 training images, and 310 are left to train on: "
        "lower `data.calibration`, or bring more images\n"
    )


def test_too_few_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _plan(tmp_path, capsys, data=TINY["data"] | {"calibration": 1400})
    assert code == 2
    assert "data.calibration: 1400 calibration images, as many to rank with and 128 validation images leave" in err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (99.6, "2 min"), (5940.0, "99 min"), (12_000, "3 h 20 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


BROKEN = """\
from typing import Literal
from emopms.api import Exporter

class Broken(Exporter):
    name: Literal["broken"] = "broken"
    def export(self, model, folder):
        raise ValueError("no such operation")
"""


@pytest.mark.slow
def test_an_exporter_that_fails_is_named_without_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    spec = TINY | {"plugins": ["broken.py"], "export": ["safetensors", "broken"]}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    command = [sys.executable, "-m", "emopms", "plan", "spec.yaml", "--device", "cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: The exporter 'broken'")
    assert "Take broken out of `export`" in done.stderr
