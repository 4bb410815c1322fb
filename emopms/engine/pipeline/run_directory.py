"""Takes a run directory for the work of one process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from emopms.engine.pipeline.progress_file import kept_progress
from emopms.engine.storage.store import Store
from emopms.engine.support.log_sinks import logging_to, open_log
from emopms.engine.support.progress import Silent
from emopms.engine.support.seeds import seeded_globals
from emopms.process_state import plain_torch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emopms.engine.support.progress import Progress


@contextmanager
def working_in(folder: Path, *, seed: int, progress: Progress | None) -> Iterator[tuple[Store, Progress]]:
    """Hold the lock of a run directory, and write its log and its progress, while the ``with`` statement runs. torch
    has its default settings meanwhile, and the global generators are seeded; afterwards both are as before.

    Args:
        folder: The run directory.
        seed: The seed of the spec.
        progress: Shows the progress; None to show nothing.

    Yields:
        The store of the run directory, and what receives the progress.

    Raises:
        StoreError: Another process works in the directory, or it cannot be written.
    """
    store = Store(folder / "store")
    with (
        plain_torch(),
        seeded_globals(seed),
        store.lock(),
        logging_to(open_log(folder), level="DEBUG", filter="emopms"),
        kept_progress(folder / "store", Silent() if progress is None else progress) as kept,
    ):
        yield store, kept
