"""What the commands share that run stages: the arguments for the engine, and the table at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from emopms.cli.output import OutputError, printable, tell
from emopms.cli.tables import show_tables

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rich.console import RenderableType


def of_the_engine(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `emopms.run` and `emopms.compare` that a command line gives: the places and the
    device."""
    return {
        "run_dir": arguments.run_dir,
        "data_root": arguments.data_root,
        "device": arguments.device,
        "command": ["emopms", *sys.argv[1:]],
    }


def show_results(table: RenderableType, folder: Path) -> None:
    """Show the table of results. If standard output is closed or full, the command is still a success.

    Args:
        table: The table.
        folder: The folder that holds all results.
    """
    try:
        show_tables(table)
    except (OutputError, BrokenPipeError):
        tell(f"All is complete. The table cannot be shown; all results are in {printable(folder)}.")
