"""Finds the run directories in a folder, and their states. It writes nothing, and does not disturb a running run."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from emopms.engine.storage.atomic import read_regular
from emopms.engine.storage.cleanup import find_removable, regular_files
from emopms.engine.storage.lock import HOLDER, LOCK, lock_holder
from emopms.engine.storage.outcome import COMPLETE, INTERRUPTED, read_outcome
from emopms.engine.storage.outputs import Outputs
from emopms.engine.storage.serialization import UNREADABLE, decode_json
from emopms.engine.storage.store import MARK, Store
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from emopms.engine.storage.cleanup import CleanupPlan

RunState = Literal["finished", "running", "interrupted", "failed", "damaged", "closed"]
"""The state of a run.

``failed``: an error ended it. ``damaged``: a file changed after emopms wrote it. ``closed``: this user may not read it.
"""

_RESULT = PurePath("result.json")
COMPARISON = "comparison.json"
"""The file that holds the table of a comparison."""
_MOST_BYTES = 64 * 2**20
"""Maximum bytes of a ``result.json`` that is read."""
_OF_THE_LOCK = {PurePath("store", LOCK), PurePath("store", HOLDER)}


@dataclass(frozen=True)
class RunStatus:
    """The state of a run directory."""

    folder: Path
    state: RunState
    detail: str
    """Details of the state as text: the process that runs, the number of complete stages, or the damaged files."""
    touched: datetime | None
    """The time when the run finished, or the time of the last change if it is not finished; None without files."""
    size: int
    """Bytes of all files in the run directory."""
    cleanup: CleanupPlan
    """The files that ``emopms runs clean`` would remove."""


def find_runs(folder: Path) -> list[Path]:
    """Return the run directories in a folder, sorted by name, also those of comparisons in it.

    If the folder is a run directory, only the folder is returned.

    Raises:
        StoreError: The folder does not exist, or cannot be read.
    """
    try:
        if is_run(folder):
            return [folder.resolve() if folder.is_symlink() else folder]
        children = sorted(folder.iterdir())
        return [run for child in children for run in ([child] if is_run(child) else _runs_of_comparison(child))]
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"{folder} cannot be read: {why}.", remedy="Name a run directory, or a folder of run directories."
        ) from error


def _runs_of_comparison(folder: Path) -> list[Path]:
    """Return the run directories of a comparison. The result is empty if the folder is none of a comparison."""
    with suppress(PermissionError):
        if not folder.is_symlink() and ((folder / COMPARISON).is_file() or (folder / "store" / LOCK).is_file()):
            return sorted(child for child in folder.iterdir() if is_run(child))
    return []


def inspect_run(folder: Path) -> RunStatus:
    """Return the state of a run directory."""
    files = regular_files(folder)
    size = sum(stat.st_size for stat in files.values())
    try:
        state, detail = _state(folder, files)
    except OSError as error:
        state, detail = "closed", str(error)
    touched = _touched(files, finished=state == "finished")
    return RunStatus(folder, state, detail, touched, size, find_removable(folder, files))


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run directory: it has a marked store or, without a store, a ``result.json``.

    A folder with a store that cannot be read counts as a run directory.
    """
    with suppress(PermissionError):
        store = folder / "store"
        if store.is_dir():
            return not _is_readable(store) or Store(store).is_marked()
        return _is_result(folder / _RESULT)
    return False


def _is_readable(folder: Path) -> bool:
    try:
        next(folder.iterdir(), None)
    except PermissionError:
        return False
    return True


def _is_result(path: Path) -> bool:
    try:
        content = decode_json(read_regular(path, most=_MOST_BYTES))
    except UNREADABLE:
        return False
    return isinstance(content, dict) and {"name", "models", "stages"} <= content.keys()


def _state(folder: Path, files: Mapping[PurePath, os.stat_result]) -> tuple[RunState, str]:
    store, running, outputs = Store(folder / "store"), lock_holder(folder / "store"), Outputs(folder)
    try:
        planned = store.read_plan() or {}
    except StoreError:
        planned = {}  # a damaged plan affects the next run and cleaning, but no stored result
    stages = [store.status(stage, key) for stage, key in planned.items()]
    complete = sum(stage.state == "complete" for stage in stages)
    progress = f"{complete} of {len(stages)} stages" if stages else ""
    if running:
        return "running", ", ".join(part for part in (running, progress) if part)
    damages = [stage.why for stage in stages if stage.state == "damaged"]
    damages += [damage for damage in [outputs.damage()] if damage]
    if damages:
        return "damaged", "; ".join(damage.replace(f"{folder}/", "") for damage in damages)
    # Version 0.1 kept no list of its outputs, and did not mark its stores.
    listed = outputs.published() is not None or os.path.lexists(folder / "store" / MARK)
    if _RESULT in files and complete == len(stages) and (not listed or outputs.is_of(planned)):
        return "finished", ""
    earlier = "with the models of an earlier run" if _RESULT in files and planned else ""
    outcome = read_outcome(folder / "store")
    failed = outcome not in ("", COMPLETE, INTERRUPTED)
    details = (progress, earlier, outcome.rstrip(".") if failed else "")
    return "failed" if failed else "interrupted", ", ".join(part for part in details if part)


def _touched(files: Mapping[PurePath, os.stat_result], *, finished: bool) -> datetime | None:
    times = [stat.st_mtime for path, stat in files.items() if path not in _OF_THE_LOCK]
    if finished:
        times = [files[_RESULT].st_mtime]
    return datetime.fromtimestamp(max(times)).astimezone() if times else None
