"""The command ``emopms run``, which carries out the experiment that a spec describes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from emopms.cli.output import OutputError, tell
from emopms.cli.tables import show_tables
from emopms.cli.terminal import closing_table, progress_on_terminal
from emopms.spec import load_spec

if TYPE_CHECKING:
    import argparse

    from emopms.engine.run import Result


def command(arguments: argparse.Namespace) -> None:
    """Run a spec, show its progress and print the results."""
    spec = load_spec(arguments.spec, arguments.overrides)  # before importing torch, so that a wrong spec fails at once
    with progress_on_terminal(quiet=arguments.quiet, log_level=arguments.log_level) as progress:
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
