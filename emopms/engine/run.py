"""``emopms.run``: the whole method, from a spec to a run directory."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from emopms.api import Folder
from emopms.engine.plan import plan
from emopms.engine.preflight import prepare
from emopms.engine.progress import Silent
from emopms.engine.publish import publish
from emopms.engine.runner import run_stages
from emopms.engine.store import Store
from emopms.errors import DataError, StoreError
from emopms.network.device import Device
from emopms.spec import Spec, load_spec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from emopms.engine.progress import Progress


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
    folder = Path(run_dir) if run_dir is not None else Path("runs") / spec.name
    store = Store(folder / "store")
    with store.lock():
        sink = logger.add(_log_file(folder), level="DEBUG", filter="emopms", encoding="utf-8")
        try:
            logger.debug("run of {!r} begins", spec.name)
            context, fingerprint = prepare(
                spec,
                folder=data_folder(spec, data_root),
                device=Device.choose(device),
                progress=progress if progress is not None else Silent(),
            )
            done = run_stages(plan(spec, points=context.points, fingerprint=fingerprint), context, store)
            summary = publish(context, done, folder=folder, fingerprint=fingerprint, command=command or sys.argv)
        finally:
            logger.remove(sink)
    return Result(folder=folder, summary=summary)


def _log_file(folder: Path) -> Path:
    try:
        (folder / "run.log").touch()
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error}", remedy="Choose another --run-dir.") from error
    return folder / "run.log"


def data_folder(spec: Spec, data_root: str | PathLike[str] | None) -> Folder:
    """Where relative paths in a spec start (see `run`).

    Raises:
        DataError: The folder named does not exist.
    """
    if data_root is not None:
        chosen = Folder(Path(data_root), "the data root given")
    elif os.environ.get("EMOPMS_DATA"):
        chosen = Folder(Path(os.environ["EMOPMS_DATA"]), "the data root in EMOPMS_DATA")
    else:
        return Folder(spec.folder or Path(), "no data root given, so relative to the spec")
    if not chosen.path.is_dir():
        raise DataError(f"{chosen.path} is not a folder ({chosen.origin}).", remedy="Name an existing folder.")
    return chosen
