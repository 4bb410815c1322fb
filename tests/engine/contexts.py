"""Contexts of the tiny spec, and the artefacts of a finished run, for tests of single stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from emopms.api import Folder
from emopms.engine.pipeline.plan import plan
from emopms.engine.session.context import Context
from emopms.engine.session.partition_summary import summarise_parts
from emopms.engine.storage.store import Store
from emopms.engine.support.progress import Silent
from emopms.network.runtime.device import Device
from tests.engine.conftest import tiny

if TYPE_CHECKING:
    import emopms
    from emopms.engine.session.partition_summary import PartSummary
    from emopms.engine.stages.base import Stage
    from emopms.engine.storage.artefact import Artefact


def tiny_context(**changes: Any) -> Context:
    """Return the context of the tiny spec with some keys changed. Nothing is checked beforehand, as a run does."""
    spec, folder = tiny(**changes), Folder(Path(), "")
    return Context(
        spec=spec,
        folder=folder,
        source=spec.data.open(folder),
        device=Device.choose("cpu"),
        progress=Silent(),
        split_points=spec.split.find(nn.Identity(), torch.zeros(1)),  # those that the spec names
    )


def tiny_parts(**changes: Any) -> tuple[PartSummary, ...]:
    """Return the summaries of its searches."""
    context = tiny_context(**changes)
    divided = context.divide(context.random_network())
    return summarise_parts(divided, [context.encoding(sub) for sub in divided.searched])


def stage(name: str, context: Context) -> Stage:
    """Return a stage of a run, as it is planned."""
    planned = plan(context.spec, points=context.split_points, fingerprint="", device="cpu")
    return next(step.stage for step in planned if step.stage.name == name)


def artefacts_of(result: emopms.Result) -> dict[str, Artefact]:
    """Return the artefacts of a finished run, by stage."""
    store = Store(result.folder / "store")
    found = {name: store.status(name, key).artefact for name, key in (store.read_plan() or {}).items()}
    return {name: artefact for name, artefact in found.items() if artefact is not None}


def run_stage(name: str | Stage, context: Context, inputs: dict[str, Artefact], folder: Path) -> Artefact:
    """Run one stage with these inputs (others may be among them), and return what it stored."""
    step = stage(name, context) if isinstance(name, str) else name
    out = Store(folder).begin(step.name, "key")
    step.run(context, {each: inputs[each] for each in step.inputs}, out)
    return out.complete({})
