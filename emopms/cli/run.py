"""The command ``emopms run``, which carries out the experiment that a spec describes."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from loguru import logger
from rich.console import Console

from emopms.cli.output import OutputError, tell
from emopms.cli.tables import show_tables
from emopms.cli.terminal import Bars, Lines, LogLines, closing_table, log_format
from emopms.engine.support.log_sinks import logging_to
from emopms.spec import load_spec

if TYPE_CHECKING:
    import argparse

    from emopms.engine.run import Result
    from emopms.engine.support.progress import Progress


def command(arguments: argparse.Namespace) -> None:
    """Run a spec, show its progress and print the results."""
    spec = load_spec(arguments.spec, arguments.overrides)  # before importing torch, so that a wrong spec fails at once
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    terminal = console.is_terminal and not console.is_dumb_terminal
    level = "WARNING" if arguments.quiet else arguments.log_level.upper()
    logger.remove()
    with ExitStack() as stack:
        stack.enter_context(logging_to(LogLines(console if terminal else None), level=level, format=log_format))
        progress: Progress | None = None
        if not arguments.quiet:
            progress = stack.enter_context(Bars(console)) if terminal else Lines()

        from emopms.engine.run import run

        result = run(
            spec,
            run_dir=arguments.run_dir,
            data_root=arguments.data_root,
            device=arguments.device,
            progress=progress,
            command=["emopms", *sys.argv[1:]],
        )
    if not arguments.quiet:
        _show(result)


def _show(result: Result) -> None:
    """Show the table of results. If standard output is closed or full, the run is still a success."""
    try:
        show_tables(closing_table(result.summary, result.folder))
    except (OutputError, BrokenPipeError):
        tell(f"The run is complete. Its table cannot be shown; all results are in {result.folder}.")
