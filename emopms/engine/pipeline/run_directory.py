"""Takes a run directory for the work of one process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from emopms.engine.storage.store import Store
from emopms.engine.support.log_sinks import logging_to, open_log
from emopms.engine.support.seeds import seeded_globals
from emopms.process_state import plain_torch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def working_in(folder: Path, *, seed: int) -> Iterator[Store]:
    """Hold the lock of a run directory and write its log while the ``with`` statement runs. torch has its default
    settings meanwhile, and the global generators are seeded; afterwards both are as before.

    Args:
        folder: The run directory.
        seed: The seed of the spec.

    Yields:
        The store of the run directory.

    Raises:
        StoreError: Another process works in the directory, or it cannot be written.
    """
    store = Store(folder / "store")
    with (
        plain_torch(),
        seeded_globals(seed),
        store.lock(),
        logging_to(open_log(folder), level="DEBUG", filter="emopms"),
    ):
        yield store
