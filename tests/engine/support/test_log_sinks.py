"""Sinks of the log that stay."""

from __future__ import annotations

from loguru import logger

from emopms.engine.support.log_sinks import logging_to, restore_sinks


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
