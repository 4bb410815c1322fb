"""The commands ``emopms runs`` and ``emopms runs clean``: list run directories, and remove files from them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console

from emopms.cli.output import fill, printable, show
from emopms.cli.parser import DEFAULT_FOLDER
from emopms.cli.tables import Columns, show_tables, size
from emopms.engine.storage.cleanup import clean, find_removable
from emopms.engine.storage.inventory import find_runs, inspect_run

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from emopms.engine.storage.cleanup import CleanupPlan
    from emopms.engine.storage.inventory import RunStatus


def command(arguments: argparse.Namespace) -> None:
    """Print a list of run directories, or list or remove the files in run directories that are no longer needed.

    Raises:
        StoreError: The folder cannot be read, or a file in it cannot be removed.
    """
    if arguments.folder == DEFAULT_FOLDER and not arguments.folder.exists():
        show(fill(f"no runs yet: `emopms run` writes them to {DEFAULT_FOLDER}/", sys.stdout))
        return
    folders = find_runs(arguments.folder)
    if not folders:
        show(f"no run directories in {printable(arguments.folder)}")
    elif arguments.clean:
        _clean(folders, remove=arguments.yes)
    else:
        with Console(stderr=True).status("verifying the checksums of stored files"):
            runs = [inspect_run(folder) for folder in folders]
        show_tables(_table(runs, arguments.folder))


def _table(runs: list[RunStatus], within: Path) -> Columns:
    table = Columns("run", "state", "last written", "size", "removable", left=("run", "state"))
    for run in runs:
        state = f"{run.state} ({run.detail})" if run.detail else run.state
        touched = f"{run.touched:%Y-%m-%d %H:%M}" if run.touched else ""
        table.add_row(
            *(_name(run.folder, within), state, touched),
            *(size(run.size), size(run.cleanup.size)),
        )
    if len(runs) > 1:
        table.add_row("total", "", "", size(sum(run.size for run in runs)), size(sum(run.cleanup.size for run in runs)))
    return table


def _name(run: Path, within: Path) -> str:
    """Return the path of a run in a folder, such as ``mine-comparison/mine-seed-0``, or the name of the run."""
    inside = run.is_relative_to(within) and run != within
    return str(run.relative_to(within)) if inside else run.name or run.resolve().name


def _clean(folders: list[Path], *, remove: bool) -> None:
    freed = 0
    for folder in folders:
        found = find_removable(folder)
        if remove and found.removable:
            found = clean(folder)
        freed += found.size
        for line in _lines(folder, found):
            show(fill(line, sys.stdout, hang=12))
    if remove:
        show(f"{size(freed)} freed")
    elif freed:
        show(fill(f"{size(freed)} can be freed. Nothing has been removed. To remove the files, add --yes.", sys.stdout))
    else:
        show("nothing to remove")


def _lines(folder: Path, found: CleanupPlan) -> list[str]:
    lines = [
        f"{size(removable.size):>10}  {printable(folder / removable.path)}"
        f"  {len(removable.files)} file{'s' * (len(removable.files) > 1)}, {removable.why}"
        for removable in found.removable
    ]
    return lines + [f"{printable(folder)}: {printable(why)}" for why in found.kept]
