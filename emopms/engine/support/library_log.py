"""The log of emopms in a program that does not configure loguru."""

from __future__ import annotations

import sys

from loguru import logger


def quiet_default_sink() -> None:
    """Let the default sink of loguru show only warnings and errors of emopms, and no debug lines.

    The progress lines of `emopms.cli.terminal.Lines` are still shown, because a program must ask for them. Lines of
    other packages are not affected. If the program has removed the default sink, it has configured loguru itself, and
    nothing is changed.
    """
    try:
        logger.remove(0)
    except ValueError:  # the program has removed the default sink
        return
    if sys.stderr is not None:
        logger.add(sys.stderr, filter={"emopms": "WARNING", "emopms.cli": "INFO"})
