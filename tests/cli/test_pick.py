"""``emopms pick`` as a user meets it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import emopms as package

    from .conftest import Shown


@pytest.fixture
def run(finished: package.Result, tmp_path: Path) -> Path:
    shutil.copytree(finished.folder, tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_model_is_added(emopms: Callable[..., Shown], run: Path) -> None:
    words = ("--set", "finetune.epochs=0", "--device", "cpu", "--log-level", "warning")
    shown = emopms("pick", run, "--macs", "0.8", "--params", "0.9", *words)
    assert shown.code == 0, shown.err
    assert [line.split()[0] for line in shown.out.splitlines() if line.startswith("macs-")] == [
        "macs-0.6",
        "macs-0.8_params-0.9",
    ]
    assert (run / "models" / "macs-0.8_params-0.9" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ((), 3, "say which"),
        (("--knee", "--macs", "0.5"), 3, "say which"),
        (("--knee", "--index", "3"), 2, "not allowed with argument"),
        (("--index", "999"), 3, "The front has no scheme 999"),
        (("--cost", "latency"), 3, "expected NAME=NUMBER"),
        (("--cost", "latency=5"), 2, "'latency' is no cost among the objectives"),
        (("--macs", "5"), 2, "expected at most 1"),
        (("--accuracy", "1.0"), 3, "No scheme has a validation accuracy of 100.00%"),
        (("--knee", "--set", "split=[]"), 2, "would need another search"),
    ],
)
def test_what_cannot_be_picked(
    words: tuple[str, ...], code: int, expected: str, emopms: Callable[..., Shown], finished: package.Result
) -> None:
    shown = emopms("pick", finished.folder, *words, "--device", "cpu")
    assert shown.code == code
    assert expected in shown.err
