from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from emopms import __version__
from emopms.cli import main as module
from emopms.errors import DataError, Problem, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Shown

COMMANDS = ("run", "plan", "runs", "validate", "plugins", "schema", "new")


@pytest.mark.parametrize(
    "arguments", [[], ["prune"], ["validate"], ["run"], ["new", "objective"], ["new", "loss", "x"]]
)
def test_wrong_usage(emopms: Callable[..., Shown], arguments: list[str]) -> None:
    shown = emopms(*arguments)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.startswith("usage: emopms")


def test_version(emopms: Callable[..., Shown]) -> None:
    assert emopms("--version") == (0, f"emopms {__version__}\n", "")


def test_help_names_every_command(emopms: Callable[..., Shown]) -> None:
    shown = emopms("--help")
    assert shown.code == 0
    assert all(f"\n    {command} " in shown.out for command in COMMANDS)
    for command in COMMANDS:
        assert emopms(command, "--help").code == 0


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("No data.", remedy="Get some."), 3, "error: No data.\n  Get some.\n"),
        (DataError("No data."), 3, "error: No data.\n"),
        (
            SpecError([Problem(("a", 0), "wrong.", "Right it.", file="x.yaml")]),
            2,
            "x.yaml: a[0]: wrong.\n  Right it.\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to continue\n"),
    ],
)
def test_errors_become_text_and_exit_codes(
    emopms: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    from emopms.cli import schema

    def fail(arguments: object) -> None:
        raise error

    monkeypatch.setattr(schema, "command", fail)
    assert emopms("schema") == (code, "", said)


def test_what_is_no_error_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    from emopms.cli import schema

    monkeypatch.setattr(schema, "command", lambda arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        module.main(["schema"])


@pytest.mark.parametrize("command", ["schema", "plugins"])
def test_a_reader_that_stops_reading(command: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "emopms", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate()
    assert (process.returncode, err) == (141, "")


@pytest.mark.slow
def test_output_that_cannot_show_every_character(tmp_path: Path) -> None:
    (tmp_path / "\udcff.yaml").touch()
    for arguments in (["plugins"], ["validate", "\udcff.yaml"]):
        done = subprocess.run(
            [sys.executable, "-m", "emopms", *arguments],
            cwd=tmp_path,
            env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        )
        assert b"Traceback" not in done.stderr
        assert b"\\" in done.stdout + done.stderr


@pytest.mark.parametrize("words", [["run", "spec.yaml"], ["runs"], ["plugins", "--plugins", "mine.py"]])
def test_a_current_folder_that_was_removed_is_named(
    emopms: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    shown = emopms(*words)
    assert (shown.code, shown.out) == (3, "")
    assert shown.err.startswith("error: The current folder cannot be used: No such file or directory. Was it removed?")
    assert "cd" in shown.err
    assert emopms("--help").code == 0
