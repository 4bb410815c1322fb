"""Opens a finished run again: its spec, its data and its stored results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emopms.engine.pipeline.plan import plan
from emopms.engine.pipeline.preflight import prepare
from emopms.engine.pipeline.publish import MANIFEST
from emopms.engine.pipeline.runner import Done
from emopms.engine.storage.atomic import read_regular
from emopms.engine.storage.serialization import UNREADABLE, decode_json
from emopms.engine.storage.store import Store
from emopms.engine.support.paths import data_folder
from emopms.errors import StoreError
from emopms.network.runtime.device import Device

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from emopms.engine.pipeline.plan import Planned
    from emopms.engine.pipeline.preflight import Prepared
    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact
    from emopms.engine.support.progress import Progress
    from emopms.spec import Spec


@dataclass(frozen=True)
class OpenedRun:
    """A finished run with its data and its network at hand."""

    prepared: Prepared
    planned: list[Planned]
    """The stages of the spec, with the keys of their results."""
    store: Store
    folder: Path
    """The run directory."""

    @classmethod
    def open(
        cls, folder: Path, spec: Spec, *, data_root: str | PathLike[str] | None, device: str, progress: Progress
    ) -> OpenedRun:
        """Open the run in a run directory.

        Args:
            folder: The run directory.
            spec: The spec of the run.
            data_root: The folder that relative paths in the spec start from; None for the one of the run.
            device: The device, as in `emopms.run`.
            progress: Receives the progress of stages.

        Raises:
            StoreError: The folder holds no finished run.
            EmopmsError: The data or the weights are missing, or the spec does not fit them any more.
        """
        root = data_root if data_root is not None else _data_root(folder)
        chosen = Device.choose(device)
        prepared = prepare(spec, folder=data_folder(spec, root), device=chosen, progress=progress)
        context = prepared.context
        planned = plan(spec, points=context.split_points, fingerprint=prepared.fingerprint, device=str(context.device))
        return cls(prepared, planned, Store(folder / "store"), folder)

    @property
    def context(self) -> Context:
        """The context of the run."""
        return self.prepared.context

    def artefact(self, stage: str) -> Artefact:
        """Return the stored result of a stage of the spec.

        Raises:
            StoreError: The result is not in the store: the data, the spec or the machine changed, or it was removed.
        """
        key = next(step.key for step in self.planned if step.stage.name == stage)
        found = self.store.find(stage, key).artefact
        if found is None:
            raise StoreError(
                f"{self.folder} has no result of {stage} for these data on this device.",
                remedy="Run the spec again with `emopms run`, which makes what is missing.",
            )
        return found

    def done(self) -> dict[str, Done]:
        """Return all stages of the spec with their stored results.

        Raises:
            StoreError: A result is not in the store (see `artefact`).
        """
        found = {step.stage.name: self.artefact(step.stage.name) for step in self.planned}
        return {name: Done(name, artefact, artefact.meta["seconds"], cached=True) for name, artefact in found.items()}


def _data_root(folder: Path) -> str:
    """Return the data root of a run, from its manifest.

    Raises:
        StoreError: There is no readable manifest.
    """
    try:
        root: str = decode_json(read_regular(folder / MANIFEST, most=2**24))["data"]["root"]
    except UNREADABLE as error:
        raise StoreError(
            f"{folder} holds no finished run: {MANIFEST} cannot be read.", remedy="Name a run directory."
        ) from error
    return root
