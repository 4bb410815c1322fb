"""``emopms.run``: the whole method, from a spec to a run directory."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from emopms.engine.pipeline.plan import plan
from emopms.engine.pipeline.preflight import prepare, require_reachable_targets
from emopms.engine.pipeline.publish import publish
from emopms.engine.pipeline.runner import run_stages
from emopms.engine.storage.store import Store
from emopms.engine.support.paths import data_folder, run_folder
from emopms.engine.support.progress import Silent
from emopms.errors import StoreError
from emopms.network.runtime.device import Device
from emopms.spec import Spec, load_spec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from emopms.engine.support.progress import Progress


@dataclass(frozen=True)
class Result:
    """What a run left behind."""

    folder: Path
    """The run directory."""
    summary: dict[str, Any]
    """``result.json``."""


def run(
    spec: Spec | str | PathLike[str],
    *,
    run_dir: str | PathLike[str] | None = None,
    data_root: str | PathLike[str] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    command: Sequence[str] | None = None,
) -> Result:
    """Prune a network as a spec says. Stages finished earlier in the same run directory are not repeated.

    Args:
        spec: A spec, or the path of one.
        run_dir: Where to write; ``runs/<name>`` below the current folder by default.
        data_root: Where relative paths in the spec start; by default the variable ``EMOPMS_DATA``, and without
            it the spec's own folder.
        device: ``auto`` (CUDA where there is one), ``cpu`` or ``cuda``.
        progress: Where to show how it goes.
        command: What the user typed, for the manifest.

    Raises:
        SpecError: The spec is wrong, or does not fit its network or data.
        EmopmsError: The run cannot go on; what it has finished stays in the store.
    """
    if not isinstance(spec, Spec):
        spec = load_spec(Path(spec))
    folder = run_folder(spec, run_dir)
    store = Store(folder / "store")
    with store.lock():
        sink = _log_into(folder)
        try:
            logger.debug("run of {!r} begins", spec.name)
            prepared = prepare(
                spec,
                folder=data_folder(spec, data_root),
                device=Device.choose(device),
                progress=progress if progress is not None else Silent(),
            )
            require_reachable_targets(spec, prepared.floor)
            context, fingerprint = prepared.context, prepared.fingerprint
            planned = plan(spec, points=context.split_points, fingerprint=fingerprint, device=str(context.device))
            store.write_plan({step.stage.name: step.key for step in planned})
            done = run_stages(planned, context, store)
            summary = publish(context, done, folder=folder, fingerprint=fingerprint, command=command or sys.argv)
        finally:
            logger.remove(sink)
    return Result(folder=folder, summary=summary)


class _Log:
    """A log file. What the disk has no room for is missing from it: the run itself says so, at its next write."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, line: str) -> None:
        with suppress(OSError):
            self._file.write(line)
            self._file.flush()

    def stop(self) -> None:
        with suppress(OSError):
            self._file.close()


def _log_into(folder: Path) -> int:
    """Write a log below a folder; returns what ends it."""
    try:
        return logger.add(_Log(folder / "run.log"), level="DEBUG", filter="emopms")
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error}", remedy="Choose another --run-dir.") from error
