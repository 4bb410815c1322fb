from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.engine.comparison.conftest import CHANGES
from tests.engine.conftest import TINY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Shown


pytestmark = pytest.mark.slow


def _spec(write: Callable[..., Path], **changes: object) -> Path:
    small = {"targets": [{"macs": 0.7}], "seeds": [3], "constraint": "none", "baselines": ["random"]}
    return write(yaml.safe_dump(TINY | CHANGES | small | changes, sort_keys=False))


def test_the_table_is_shown(emopms: Callable[..., Shown], write: Callable[..., Path], tmp_path: Path) -> None:
    shown = emopms("compare", _spec(write), "--run-dir", tmp_path / "out", "--device", "cpu")
    assert shown.code == 0, shown.err
    counted = re.findall(r"\(stage (\d+)( of \d+)?", shown.err)
    assert counted == [(str(number), "") for number in range(1, len(counted) + 1)]
    assert len(counted) > 14, "the stages of the spec, and four of the baseline, and one latency"
    lines = shown.out.splitlines()
    assert "speed-up" in lines[0]
    assert {line.split()[1] for line in lines[1:3]} == {"tiny", "random"}
    assert (tmp_path / "out" / "comparison.md").exists()
    quiet = emopms("compare", _spec(write), "--run-dir", tmp_path / "out", "--device", "cpu", "--quiet")
    assert quiet == (0, "", "")


def test_an_unknown_baseline(emopms: Callable[..., Shown], write: Callable[..., Path]) -> None:
    shown = emopms("compare", _spec(write, baselines=["randon"]))
    assert shown.code == 2
    assert "baselines[0]" in shown.err
    assert "Did you mean 'random'?" in shown.err


def test_baselines_and_seeds_that_are_listed_twice(emopms: Callable[..., Shown], write: Callable[..., Path]) -> None:
    for changes in ({"baselines": ["l1", "l1"]}, {"seeds": [1, 1]}):
        shown = emopms("compare", _spec(write, **changes))
        assert shown.code == 2
        assert "two of them are equal" in shown.err
