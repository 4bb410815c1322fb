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


@pytest.mark.slow
def test_a_model_is_added(emopms: Callable[..., Shown], run: Path) -> None:
    words = ("--set", "finetune.epochs=0", "--device", "cpu", "--log-level", "warning")
    shown = emopms("pick", run, "--macs", "0.8", "--params", "0.9", *words)
    assert shown.code == 0, shown.err
    assert [line.split()[0] for line in shown.out.splitlines() if line.startswith("macs-")] == [
        "macs-0.6",
        "macs-0.8_params-0.9",
    ]
    made = run / "models" / "macs-0.8_params-0.9"
    assert (made / "model.safetensors").exists()
    assert shown.out.splitlines()[-1] == f"made {made}"
    again = emopms("pick", run, "--macs", "0.8", "--params", "0.9", *words)
    assert again.out.splitlines()[-1] == "nothing was made: the model is there already"


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ((), 2, "Which model?"),
        (("--knee", "--macs", "0.5"), 2, "these options exclude each other"),
        (("--macs", "0.5", "--cost", "macs=3000"), 2, "macs has two bounds"),
        (("--accuracy", "75"), 2, "a share from 0 to 1"),
        (("--knee", "--index", "3"), 2, "not allowed with argument"),
        (("--index", "999"), 2, "The front has no scheme 999"),
        (("--cost", "latency"), 2, "expected NAME=NUMBER"),
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
