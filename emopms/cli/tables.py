"""Tables and formatted numbers that are readable without colours, on a terminal and in a pipe."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table


def console(width: int) -> Console:
    """Return a console on standard output; ``width`` is its number of columns if the output is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else width, highlight=False, markup=False, emoji=False)


def columns(*headings: str, left: tuple[str, ...] = ()) -> Table:
    """Return a table. Columns in ``left`` hold text, which may wrap; the others hold numbers, which do not."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        text = heading in left
        table.add_column(heading, justify="left" if text else "right", no_wrap=not text, overflow="fold")
    return table


def size(count: int) -> str:
    """Format a number of bytes, such as ``0 B``, ``1.5 KiB`` or ``12.0 GiB``."""
    if count < 1000:
        return f"{count} B"
    amount = count / 1024
    for unit in ("KiB", "MiB", "GiB"):
        if amount < 1000:
            return f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:,.1f} TiB"


def printable(text: object) -> str:
    """Return a text on one line, with control characters escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text))
