"""The command ``emopms plot``, which draws finished runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from emopms.cli.output import printable
from emopms.cli.tables import show_tables

if TYPE_CHECKING:
    import argparse


def command(arguments: argparse.Namespace) -> None:
    """Draw the runs to a new file, and name it.

    Raises:
        CommandError: The file, the cost or the width is not what `emopms.engine.finished.plot.plot` accepts.
        RunError: Matplotlib is not installed, or a run does not hold what is to be drawn.
        StoreError: A folder holds no finished run, or the file exists already or cannot be written.
    """
    from emopms.engine.finished.plot import plot

    written = plot(arguments.run, arguments.output, x=arguments.x, y=arguments.y, width=arguments.width)
    show_tables(Text(f"figure: {printable(written)}", overflow="fold"))
