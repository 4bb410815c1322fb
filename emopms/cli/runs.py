"""The commands ``emopms runs`` and ``emopms runs clean``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from emopms.cli.tables import columns, console, printable, size
from emopms.engine.storage.cleanup import clean, find_removable
from emopms.engine.storage.inventory import find_runs, inspect_run

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rich.table import Table

    from emopms.engine.storage.cleanup import CleanupPlan
    from emopms.engine.storage.inventory import RunStatus

_WIDTH = 160
"""Number of columns if the output is not a terminal."""


def command(arguments: argparse.Namespace) -> None:
    """List run directories, or list or remove the files in them that are no longer needed.

    Raises:
        StoreError: The folder cannot be read, or a file in it cannot be removed.
    """
    folders = find_runs(arguments.folder)
    if not folders:
        print(f"no run directories in {printable(arguments.folder)}")  # noqa: T201
    elif arguments.clean:
        _clean(folders, remove=arguments.yes)
    else:
        with Console(stderr=True).status("verifying the checksums of stored files"):
            runs = [inspect_run(folder) for folder in folders]
        console(_WIDTH).print(_table(runs))


def _table(runs: list[RunStatus]) -> Table:
    table = columns("run", "state", "last written", "size", "removable", left=("run", "state"))
    for run in runs:
        state = f"{run.state} ({run.detail})" if run.detail else run.state
        touched = f"{run.touched:%Y-%m-%d %H:%M}" if run.touched else ""
        table.add_row(
            *(printable(run.folder.name or run.folder.resolve().name), printable(state), touched),
            *(size(run.size), size(run.cleanup.size)),
        )
    if len(runs) > 1:
        table.add_row("total", "", "", size(sum(run.size for run in runs)), size(sum(run.cleanup.size for run in runs)))
    return table


def _clean(folders: list[Path], *, remove: bool) -> None:
    freed = 0
    for folder in folders:
        found = find_removable(folder)
        if remove and found.removable:
            found = clean(folder)
        freed += found.size
        print("".join(f"{line}\n" for line in _lines(folder, found)), end="")  # noqa: T201
    if remove:
        print(f"{size(freed)} freed")  # noqa: T201
    elif freed:
        print(f"{size(freed)} can be freed. Nothing has been removed. To remove the files, add --yes.")  # noqa: T201
    else:
        print("nothing to remove")  # noqa: T201


def _lines(folder: Path, found: CleanupPlan) -> list[str]:
    lines = [
        f"{size(removable.size):>10}  {printable(folder / removable.path)}"
        f"  {len(removable.files)} file{'s' * (len(removable.files) > 1)}, {removable.why}"
        for removable in found.removable
    ]
    return lines + [f"{printable(folder)}: {printable(why)}" for why in found.kept]
