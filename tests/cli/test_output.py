"""Standard output and standard error that are closed, full or read by nobody; and control characters in them."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import yaml

import emopms
from emopms.cli.output import printable, printable_lines
from emopms.cli.tables import Columns, show_tables
from tests.engine.conftest import tiny

from .conftest import COST, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Shown

pytestmark = pytest.mark.slow

COMMAND = f"{sys.executable} -m emopms"
REDIRECTED = (">&-", "> /dev/full")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``spec.yaml`` and a finished run of it in ``run``."""
    folder = tmp_path_factory.mktemp("finished")
    spec = tiny(export=["safetensors"], finetune={"epochs": 0})
    (folder / "spec.yaml").write_text(spec.to_yaml())
    emopms.run(spec, run_dir=folder / "run", device="cpu")
    return folder


def shell(line: str, folder: Path) -> Shown:
    from .conftest import Shown

    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return Shown(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("redirected", REDIRECTED)
def test_a_complete_run_whose_table_cannot_be_shown(redirected: str, finished: Path) -> None:
    done = shell(f"{COMMAND} run spec.yaml --run-dir run --device cpu {redirected}", finished)
    assert done.code == 0
    assert done.err.splitlines()[-1] == "All is complete. The table cannot be shown; all results are in run."
    assert done.err.count("cannot") == 1


def test_a_complete_run_whose_reader_has_gone(finished: Path) -> None:
    line = f"set -o pipefail; {COMMAND} run spec.yaml --run-dir run --device cpu | true"
    done = shell(line, finished)
    assert done.code == 0
    assert "All is complete." in done.err


@pytest.mark.parametrize("redirected", ["2>&-", "2> /dev/full", ">&- 2>&-", "<&- >&- 2>&-", "> /dev/full 2> /dev/full"])
def test_a_run_without_standard_error(redirected: str, finished: Path) -> None:
    done = shell(f"{COMMAND} run spec.yaml --run-dir run --device cpu {redirected}", finished)
    assert (done.code, done.err) == (0, "")
    assert ("macs-0.6" in done.out) == (">" not in redirected.replace("2>", ""))


@pytest.mark.parametrize("redirected", REDIRECTED)
@pytest.mark.parametrize(
    "words", ["plugins", "schema", "runs run", "validate spec.yaml", "--help", "--version", "new split x"]
)
def test_other_commands_say_that_standard_output_cannot_be_written(words: str, redirected: str, finished: Path) -> None:
    done = shell(f"{COMMAND} {words} {redirected}", finished)
    if words == "new split x":
        subprocess.run(["rm", "-r", "emopms-x"], cwd=finished, check=True)
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith("error: Standard output cannot be written: ")


@pytest.mark.parametrize("redirected", ["2>&-", "2> /dev/full"])
def test_errors_that_nobody_can_read(redirected: str, finished: Path) -> None:
    assert shell(f"{COMMAND} validate none.yaml {redirected}", finished) == (2, "", "")
    assert shell(f"{COMMAND} --nonsense {redirected}", finished) == (2, "", "")
    assert shell(f"{COMMAND} --version {redirected}", finished).code == 0


@pytest.mark.parametrize("words", ["plugins", "schema", "runs run", "validate spec.yaml", "--help"])
def test_a_reader_that_has_gone(words: str, finished: Path) -> None:
    done = shell(f"{COMMAND} {words} | true; exit ${{PIPESTATUS[0]}}", finished)
    assert (done.code in (0, 141), done.err) == (True, ""), "0 if the reader was still there"
    done = shell(f"set -o pipefail; {COMMAND} schema | head -1", finished)
    assert (done.out, done.err) == ("{\n", "")


def test_a_file_does_not_take_the_number_of_a_closed_stream(finished: Path) -> None:
    code = (
        "import os, sys; from emopms.cli.output import usable_streams\n"
        "with usable_streams():\n    number = os.open('new', os.O_CREAT | os.O_WRONLY)\n    sys.exit(number)"
    )
    done = shell(f'{sys.executable} -c "{code}" <&- >&- 2>&-', finished)
    assert done.code > 2


@pytest.mark.parametrize("stream", ["sys.stdout", "sys.stderr"])
def test_a_plugin_cannot_close_a_stream(stream: str, finished: Path) -> None:
    code = (
        "import sys; from emopms.cli.output import show, tell, usable_streams\n"
        f"with usable_streams():\n    {stream}.close()\n    show('out')\n    tell('err')"
    )
    assert shell(f'{sys.executable} -c "{code}"', finished) == (0, "out\n", "err\n")


def test_printable() -> None:
    assert printable("größe 日本") == "größe 日本"
    assert printable("\x1b[31m\n\u202e\udcff") == "\\x1b[31m\\n\\u202e\\udcff"
    assert printable_lines("a\x07\nb\r") == "a\\x07\nb\\r"


def test_names_with_control_characters(
    emopms: Callable[..., Shown], write: Callable[..., Path], tmp_path: Path
) -> None:
    odd = "\x1b[31mred\r"
    spec = write(SMALL, f"{odd}.yaml")
    shown = [
        emopms("validate", spec),
        emopms("validate", tmp_path / f"{odd}none.yaml"),
        emopms("validate", write(SMALL), "--set", f"selector={odd}"),
        emopms("validate", write(SMALL), "--set", f"{odd}=1"),
        emopms("plugins", f"objective/{odd}"),
        emopms("plugins", "--plugins", tmp_path / f"{odd}.py"),
        emopms("plugins", "--plugins", write(COST, f"{odd}good.py")),
        emopms("runs", tmp_path / odd),
        emopms("run", spec, "--run-dir", tmp_path / "run", "--data-root", tmp_path / odd),
        emopms(odd),
        emopms("validate", spec, f"--{odd}"),
    ]
    for each in shown:
        text = each.out + each.err
        assert not {char for char in text if not char.isprintable()} - {"\n"}
        assert "\\x1b[31mred\\r" in text or "^" in text


def test_a_class_name_and_a_docstring_with_control_characters(
    emopms: Callable[..., Shown], write: Callable[..., Path]
) -> None:
    path = write(COST.replace("Counts nothing.", "Counts \\x1b[31m nothing."), "mine.py")
    assert "Counts \\x1b[31m nothing." in emopms("plugins", "--plugins", path).out
    assert "Counts \\x1b[31m nothing." in emopms("plugins", "objective/mine", "--plugins", path).out


def test_tables_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    table = Columns("name", "size", left=("name",))
    table.add_row("\x1b[31m\n", "3")
    show_tables(table)
    assert capsys.readouterr().out.splitlines()[1].split() == ["\\x1b[31m\\n", "3"]


def test_a_plugin_cannot_silence_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from emopms.cli.main import main

    source = COST.replace("raise NotImplementedError", "logger.remove(); return task.subnetwork.costs.macs(genomes)")
    (tmp_path / "mine.py").write_text(f"from loguru import logger\n{source}")
    spec = tiny(export=["safetensors"], finetune={"epochs": 0}).resolved()
    spec |= {"plugins": ["mine.py"], "objectives": ["capability", "mine"]}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    assert main(["run", str(tmp_path / "spec.yaml"), "--run-dir", str(tmp_path / "run"), "--device", "cpu"]) == 0
    said = capsys.readouterr().err
    assert "removed the sinks of the log" in said
    assert "export/macs-0.6: " in said


def on_terminal(arguments: list[str], folder: Path, width: int) -> list[str]:
    """Lines that a command shows on a terminal of this width, on both streams."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    with subprocess.Popen([*COMMAND.split(), *arguments], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        content = b""
        with suppress(OSError):  # Linux raises an error where the terminal ends
            while part := os.read(ours, 4096):
                content += part
    os.close(ours)
    return content.decode().splitlines()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "arguments",
    [["plugins"], ["plugins", "algorithm/nsga2"], ["plugins", "finetune"], ["plan", "spec.yaml"]],
    ids=" ".join,
)
def test_lines_are_broken_at_words_on_a_terminal_alone(arguments: list[str], width: int, tmp_path: Path) -> None:
    spec = tiny(targets=[{"macs": 0.6}]).to_yaml().replace("coding: channels", "coding: both")
    (tmp_path / "spec.yaml").write_text(spec)
    lines = on_terminal(arguments, tmp_path, width)
    assert lines
    assert all(len(line) <= width for line in lines)
    piped = shell(f"{COMMAND} {' '.join(arguments)}", tmp_path)
    whole = (piped.out + piped.err).split()
    assert " ".join(lines).split() == whole, "the same words, each on one line"
    assert len(lines) > len((piped.out + piped.err).splitlines()) or width == 120


def test_quotes_from_files_stay_whole(tmp_path: Path) -> None:
    comment = "# " + "word " * 40
    (tmp_path / "spec.yaml").write_text(f"{SMALL}typo: 1 {comment}\n")
    lines = on_terminal(["validate", "spec.yaml"], tmp_path, 60)
    assert any(line.startswith("    typo: 1") and len(line) > 60 for line in lines)
