"""Tables and formatted numbers that are readable without colours, on a terminal and in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from emopms.cli.output import printable, printable_lines, show_escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import ConsoleOptions, RenderableType

_UNLIMITED: Final = 1_000_000
"""Width of the output in characters if it is not a terminal. Each row of a table is then a single line."""
_NARROWEST: Final = 16
"""Least width in characters of a column whose text is wrapped."""
_GAP: Final = 2
"""Number of spaces between two columns of a table."""


def show_tables(renderable: RenderableType) -> None:
    """Write tables to standard output, with control characters escaped.

    Raises:
        BrokenPipeError: The program that reads the output has ended.
        OutputError: Standard output is closed or full.
    """
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _UNLIMITED, highlight=False, markup=False, emoji=False)
    if not terminal:
        console.no_color = True
    segments = [
        Segment(printable_lines(segment.text), segment.style)
        for segment in console.render(renderable)
        if not segment.control
    ]
    with console.capture() as captured:
        console.print(Segments(segments), end="")
    text = captured.get()
    show_escaped(text if terminal else "".join(f"{line.rstrip()}\n" for line in text.splitlines()))


class Columns:
    """A table whose numbers and names are never cut off.

    Text may be wrapped to several lines, but numbers are not. If the columns do not fit side by side, the table
    continues below with the remaining columns. The first column is shown again there.
    """

    def __init__(self, *headings: str, left: Sequence[str] = (), glued: Sequence[str] = ()) -> None:
        """Describe the columns.

        Args:
            headings: The headings. A line break in a heading makes its column narrower.
            left: The headings of the columns that hold text. Text is aligned to the left.
            glued: The headings of the columns that must stay next to the column before them.
        """
        self._headings = headings
        self._glued = [heading in glued for heading in headings]
        self._text = [heading in left for heading in headings]
        self._rows: list[tuple[str, ...]] = []

    def add_row(self, *cells: str) -> None:
        """Add a row to the table. Control characters in the row are escaped."""
        self._rows.append(tuple(map(printable, cells)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        for number, part in enumerate(self._parts(options.max_width)):
            if number:
                yield Text()
            yield self._table(part, options.max_width)

    def _parts(self, width: int) -> list[list[int]]:
        """Divide the columns into groups that fit side by side. Each group begins with the first column."""
        groups: list[list[int]] = []
        for index in range(1, len(self._headings)):
            if self._glued[index] and groups:
                groups[-1].append(index)
            else:
                groups.append([index])
        parts, used = [[0]], self._least(0)
        for group in groups:
            needed = sum(_GAP + self._least(index) for index in group)
            if used + needed > width and len(parts[-1]) > 1:
                parts.append([0])
                used = self._least(0)
            parts[-1] += group
            used += needed
        return parts

    def _least(self, index: int) -> int:
        """Return the least width, in characters, with which a column can be shown."""
        cells = [self._headings[index], *(row[index] for row in self._rows)]
        widest = max(cell_len(line) for cell in cells for line in cell.split("\n"))
        return min(widest, _NARROWEST) if self._text[index] else widest

    def _table(self, part: list[int], width: int) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        fits = sum(self._least(index) + _GAP for index in part) - _GAP <= width
        for index in part:
            text = self._text[index]
            table.add_column(
                Text(self._headings[index]),
                justify="left" if text else "right",
                no_wrap=fits and not text,
                overflow="fold",
                min_width=min(self._least(index), width) if fits else None,
            )
        for row in self._rows:
            table.add_row(*(Text(row[index]) for index in part))
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


def plain(value: float) -> str:
    """Format a cost with at least four digits, and without an exponent unless it is tiny: ``46,080`` or ``0.1234``."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def duration(seconds: float) -> str:
    """Format a duration, such as ``0.4 s``, ``35 s``, ``12 min`` or ``3 h 20 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
