from __future__ import annotations

import argparse
import errno
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emopms.cli.engine import of_the_engine, show_results
from emopms.cli.tables import Columns

if TYPE_CHECKING:
    import pytest


class _Full(io.StringIO):
    def write(self, text: str) -> int:
        if text:
            raise OSError(errno.ENOSPC, "No space left on device")
        return 0


def test_the_arguments_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/emopms", "run", "a.yaml"])
    given = argparse.Namespace(run_dir="r", data_root=None, device="cpu", spec="a.yaml", quiet=True)
    assert of_the_engine(given) == {
        "run_dir": "r",
        "data_root": None,
        "device": "cpu",
        "command": ["emopms", "run", "a.yaml"],
    }


def test_a_table_that_cannot_be_shown_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Columns("model", left=("model",))
    table.add_row("dense")
    show_results(table, Path("run"))
    assert capsys.readouterr().out.split() == ["model", "dense"]
    monkeypatch.setattr(sys, "stdout", _Full())
    show_results(table, Path("run"))
    assert "all results are in run" in capsys.readouterr().err
