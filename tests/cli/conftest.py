"""The command as a user meets it: what it returns, prints and complains of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from emopms import registry
from emopms.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SMALL = "version: 1\nname: small\nbackbone: small_resnet\ndata: digits\ntargets: [{macs: 0.5}]\n"

COST = """\
from typing import Literal
from emopms.api import Cost

class Mine(Cost):
    \"\"\"Counts nothing.\"\"\"
    name: Literal["mine"] = "mine"
    weight: float = 1.5
    \"\"\"How much of it.\"\"\"
    def evaluate(self, genomes, task):
        raise NotImplementedError
"""


class Shown(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def emopms(capsys: pytest.CaptureFixture[str]) -> Callable[..., Shown]:
    """Runs the command in this process."""

    def run(*arguments: str | Path) -> Shown:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:  # from argparse
            code = int(error.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Shown(code, out, err)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_file(content: str, name: str = "spec.yaml") -> Path:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A distribution is installed whose module cannot be imported; what it leaves when it is tried all the same."""
    site = tmp_path / "site"
    info = site / "faulty_plugin-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text("[emopms.objective]\nbroken = faulty_plugin:Broken\n")
    (site / "faulty_plugin.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(site)
    registry._all_entry_points.cache_clear()
    yield "objective 'broken' of faulty_plugin 2.0 (faulty_plugin:Broken) cannot be imported: RuntimeError: no licence"
    registry._all_entry_points.cache_clear()
