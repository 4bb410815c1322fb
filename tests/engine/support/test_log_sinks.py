"""Sinks of the log that stay."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from loguru import logger

from emopms.engine.support.log_sinks import logging_to, open_log, restore_sinks
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.closed = False

    def write(self, line: str) -> None:
        self.lines.append(line.strip())

    def close(self) -> None:
        self.closed = True


def test_a_sink_that_somebody_removes_comes_back() -> None:
    one, two = Lines(), Lines()
    with logging_to(one, level="INFO", format="{message}"), logging_to(two, level="WARNING", format="{message}"):
        logger.info("before")
        logger.remove()
        logger.info("lost")
        restore_sinks("The objective 'mine'")
        logger.info("after")
        assert not one.closed
    logger.info("too late")
    said = "The objective 'mine' removed the sinks of the log; they were added again"
    assert one.lines == ["before", said, "after"]
    assert two.lines == [said]
    assert one.closed
    assert two.closed


def test_a_sink_that_is_removed_at_the_end_does_no_harm() -> None:
    lines = Lines()
    with logging_to(lines, format="{message}"):
        logger.remove()
    restore_sinks("x")
    logger.info("too late")
    assert lines.lines == []


def test_the_log_is_never_written_through_a_link(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    for target in (mine, tmp_path / "missing.txt"):
        (tmp_path / "run.log").unlink(missing_ok=True)
        (tmp_path / "run.log").symlink_to(target)
        with logging_to(open_log(tmp_path), level="INFO", format="{message}"):
            logger.info("said")
        assert not (tmp_path / "run.log").is_symlink()
        assert (tmp_path / "run.log").read_text() == "said\n"
    assert mine.read_text() == "mine"
    assert not (tmp_path / "missing.txt").exists()
    assert [(tmp_path / name).readlink().name for name in ("run.log.kept", "run.log.kept-2")] == [
        "mine.txt",
        "missing.txt",
    ]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_written_to(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "run.log")
    with pytest.raises(StoreError, match=r"run\.log is no file"):
        open_log(tmp_path)
