"""The command ``emopms run``, which carries out the experiment that a spec describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.cli.engine import of_the_engine, show_results
from emopms.cli.terminal import closing_table, progress_on_terminal
from emopms.spec import load_spec

if TYPE_CHECKING:
    import argparse


def command(arguments: argparse.Namespace) -> None:
    """Run a spec, show its progress and print the results."""
    spec = load_spec(arguments.spec, arguments.overrides)  # before importing torch, so that a wrong spec fails at once
    with progress_on_terminal(quiet=arguments.quiet, log_level=arguments.log_level) as progress:
        from emopms.engine.run import run

        result = run(spec, progress=progress, **of_the_engine(arguments))
    if not arguments.quiet:
        show_results(closing_table(result.summary, result.folder), result.folder)
