"""The log of emopms in a program that has not set up loguru."""

from __future__ import annotations

import sys

from loguru import logger


def quiet_default_sink() -> None:
    """Let the sink that loguru begins with show only warnings and errors of emopms, not each debug line.

    The progress lines of `emopms.cli.terminal.Lines` are shown, too: a program that asks for them wants them.

    A program that has removed that sink has set up loguru itself, and nothing is changed. Lines of other packages stay
    as they are.
    """
    try:
        logger.remove(0)
    except ValueError:  # it is removed already
        return
    if sys.stderr is not None:
        logger.add(sys.stderr, filter={"emopms": "WARNING", "emopms.cli": "INFO"})
