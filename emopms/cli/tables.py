"""Tables and figures that read well without colours, on a terminal and in a pipe."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table


def console(width: int) -> Console:
    """Standard output, of this many columns where there is no terminal to ask."""
    return Console(width=None if sys.stdout.isatty() else width, highlight=False, markup=False, emoji=False)


def columns(*headings: str, left: tuple[str, ...] = ()) -> Table:
    """A table of text columns, which may wrap, and of figures, which may not."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        text = heading in left
        table.add_column(heading, justify="left" if text else "right", no_wrap=not text, overflow="fold")
    return table


def size(count: int) -> str:
    """Of so many bytes, such as ``0 B``, ``1.5 KiB`` or ``12.0 GiB``."""
    if count < 1000:
        return f"{count} B"
    amount = count / 1024
    for unit in ("KiB", "MiB", "GiB"):
        if amount < 1000:
            return f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:,.1f} TiB"


def printable(text: object) -> str:
    """What a name says, on one line and without control characters."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text))
