"""The command ``emopms diff``, which shows what differs between two finished runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from emopms.cli.tables import Columns, show_tables

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from emopms.engine.finished.differences import Difference


def command(arguments: argparse.Namespace) -> None:
    """Show the keys of the specs that differ, and the figures of both runs side by side."""
    from emopms.engine.finished.differences import differences
    from emopms.engine.finished.result import Result

    first, second = Result(arguments.first), Result(arguments.second)
    found = differences(first, second)
    names = (str(arguments.first), str(arguments.second))
    parts = [
        _table("spec", names, found.spec) if found.spec else Text("The specs are equal."),
        _table("search", names, found.search),
        _table("model, on test images", names, found.models),
    ]
    show_tables(Group(*(line for part in parts for line in (part, Text()))))


def _table(heading: str, runs: tuple[str, str], rows: Sequence[Difference]) -> Columns:
    first, second = runs if runs[0] != runs[1] else (f"1: {runs[0]}", f"2: {runs[1]}")
    table = Columns(heading, first, second, left=(heading, first, second))
    for row in rows:
        table.add_row(row.name, row.first, row.second)
    return table
