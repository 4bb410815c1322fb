"""What run directories there are, and how they stand. Only looks: nothing is written, and no run is disturbed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from emopms.engine.storage.cleanup import find_removable, regular_files
from emopms.engine.storage.lock import HOLDER, LOCK, lock_holder
from emopms.engine.storage.store import Store
from emopms.errors import StoreError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from emopms.engine.storage.cleanup import CleanupPlan

RunState = Literal["finished", "running", "interrupted", "damaged", "closed"]
"""A damaged run has a stored stage that changed since it was complete; a closed one may not be read."""

_RESULT = PurePath("result.json")
_OF_THE_LOCK = {PurePath("store", LOCK), PurePath("store", HOLDER)}


@dataclass(frozen=True)
class RunStatus:
    """A run directory."""

    folder: Path
    state: RunState
    detail: str
    """Who runs it, how far it got, what is damaged."""
    touched: datetime | None
    """When it finished; otherwise when something in it was last written. None where there are no files."""
    size: int
    """Bytes of all its files."""
    cleanup: CleanupPlan
    """What cleaning would free."""


def find_runs(folder: Path) -> list[Path]:
    """The run directories in a folder, by name; or the folder, if it is one itself.

    Raises:
        StoreError: There is no such folder, or it cannot be read.
    """
    try:
        if _is_run(folder):
            return [folder.resolve() if folder.is_symlink() else folder]
        return sorted(child for child in folder.iterdir() if _is_run(child))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"{folder} cannot be read: {why}.", remedy="Name a run directory, or a folder of run directories."
        ) from error


def inspect_run(folder: Path) -> RunStatus:
    """How a run directory stands."""
    files = regular_files(folder)
    size = sum(stat.st_size for stat in files.values())
    try:
        state, detail = _state(folder, files)
    except OSError as error:
        state, detail = "closed", str(error)
    return RunStatus(
        folder, state, detail, _touched(files, finished=state == "finished"), size, find_removable(folder, files)
    )


def _is_run(folder: Path) -> bool:
    with suppress(PermissionError):
        return (folder / "store").is_dir() or (folder / _RESULT).is_file()
    return False


def _state(folder: Path, files: Mapping[PurePath, os.stat_result]) -> tuple[RunState, str]:
    store, running = Store(folder / "store"), lock_holder(folder / "store")
    try:
        planned = store.read_plan() or {}
    except StoreError:
        planned = {}  # which concerns the next run and cleaning, but is no damage to what is stored
    stages = [store.status(stage, key) for stage, key in planned.items()]
    complete = sum(stage.state == "complete" for stage in stages)
    progress = f"{complete} of {len(stages)} stages" if stages else ""
    damages = [stage.why.removeprefix(f"{folder}/") for stage in stages if stage.state == "damaged"]
    if running:
        return "running", ", ".join(part for part in (running, progress) if part)
    if damages:
        return "damaged", "; ".join(damages)
    if _RESULT in files and complete == len(stages):
        return "finished", ""
    earlier = "with the models of an earlier run" if _RESULT in files and planned else ""
    return "interrupted", ", ".join(part for part in (progress, earlier) if part)


def _touched(files: Mapping[PurePath, os.stat_result], *, finished: bool) -> datetime | None:
    times = [stat.st_mtime for path, stat in files.items() if path not in _OF_THE_LOCK]
    if finished:
        times = [files[_RESULT].st_mtime]
    return datetime.fromtimestamp(max(times)).astimezone() if times else None
