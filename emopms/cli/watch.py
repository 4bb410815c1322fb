"""The command ``emopms watch``, which follows a run or a comparison of another process."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.live import Live

from emopms.cli.output import show
from emopms.cli.progress_lines import ended_event, ended_line, present_lines
from emopms.cli.terminal import moves_the_cursor
from emopms.engine.pipeline.progress_file import read_progress
from emopms.engine.storage.lock import lock_holder
from emopms.engine.storage.outcome import COMPLETE
from emopms.errors import RunError, StoreError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from emopms.engine.support.run_progress import RunProgress

_EVERY: Final = 0.5
"""Seconds between two looks at a run."""


def command(arguments: argparse.Namespace) -> None:
    """Show the progress of a run until it ends.

    Raises:
        StoreError: No run has begun in the folder, or the folder cannot be read.
        RunError: The run ended before it was complete.
    """
    folder: Path = arguments.run
    display = _Display()
    with display:
        while True:
            holder = _holder(folder)
            kept = read_progress(folder / "store")  # after the holder, so that it is the last word of an ended run
            if kept is not None and not (holder and kept.outcome):  # with an outcome, the file is of an earlier run
                display.update(kept.progress)
            if not holder:
                break
            time.sleep(_EVERY)
    if kept is None:
        raise StoreError(
            f"{folder} has no record of the progress of a run, or a damaged one.",
            remedy="Name the directory of a run that has begun, such as runs/quickstart. `emopms runs` lists states.",
        )
    if kept.outcome != COMPLETE:
        raise RunError(
            f"The run in {folder} is not complete: {kept.outcome.rstrip('.') or 'its process was killed'}.",
            remedy=f"{folder / 'run.log'} says more. Once the reason is mended, its command goes on from there.",
        )
    show(f"complete: {folder}")


def _holder(folder: Path) -> str:
    """Describe the process that works in a run directory; empty if no process does."""
    try:
        return lock_holder(folder / "store")
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}.", remedy="Name a run directory.") from error


class _Display:
    """Shows a progress that is read again and again: bars on a terminal, and a line for each stage elsewhere."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._live = Live(console=self._console, transient=True) if moves_the_cursor(self._console) else None
        self._shown = 0
        self._began = 0.0

    def __enter__(self) -> None:
        (self._live or nullcontext()).__enter__()

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, progress: RunProgress) -> None:
        """Show the progress at this moment."""
        if progress.began != self._began:  # another process goes on with the run
            self._began, self._shown = progress.began, 0
        for stage in progress.ended[self._shown :]:
            if self._live is None:
                show(ended_event(stage))
            else:
                self._console.print(ended_line(stage))
        self._shown = len(progress.ended)
        if self._live is not None:
            self._live.update(present_lines(progress, self._console.width))
