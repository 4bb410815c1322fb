"""The command ``emopms report``, which writes the report of finished runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from emopms.cli.output import printable
from emopms.cli.tables import show_tables

if TYPE_CHECKING:
    import argparse


def command(arguments: argparse.Namespace) -> None:
    """Write the report of the runs to a new file, and name it.

    Raises:
        StoreError: A folder holds no finished run, or the file exists already or cannot be written.
    """
    from emopms.engine.finished.report import report

    written = report(arguments.run, arguments.output)
    show_tables(Text(f"report: {printable(written)}", overflow="fold"))
