"""Publishes the results of a run: copies them from the store to the files that the user reads."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from emopms.api import Cost
from emopms.engine.images.image_counts import image_counts
from emopms.engine.pipeline.code_fingerprint import code_fingerprint
from emopms.engine.pipeline.provenance import provenance
from emopms.engine.results.exported import Exports
from emopms.engine.results.networks import DenseNetwork
from emopms.engine.results.schemes import JoinSummary, MeasuredSchemes, MeasureSummary
from emopms.engine.results.search_summary import SearchSummary
from emopms.engine.storage.outputs import Outputs
from emopms.engine.storage.serialization import encode_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from emopms.engine.pipeline.runner import Done
    from emopms.engine.session.context import Context
    from emopms.spec import Spec


def publish(
    context: Context, done: Mapping[str, Done], *, folder: Path, fingerprint: str, command: Sequence[str]
) -> dict[str, Any]:
    """Write models, ``front.csv``, ``spec.resolved.yaml``, ``manifest.json`` and ``result.json`` (see `Outputs`).

    Returns:
        The content of ``result.json``.

    Raises:
        StoreError: A file cannot be written.
    """
    exported, summary = done["export"].artefact, _summary(context, done)
    schemes = MeasuredSchemes.load(done["measure"].artefact)
    files = {file: exported.content(file) for file in exported.files if file.startswith("models/")} | {
        "front.csv": _front_table(schemes, context.spec).encode(),
        "spec.resolved.yaml": context.spec.to_yaml().encode(),
        "manifest.json": encode_json(_manifest(context, done, fingerprint, command)),
        "result.json": encode_json(summary),
    }
    Outputs(folder).publish(files, {name: stage.artefact.meta["key"] for name, stage in done.items()})
    return summary


def _summary(context: Context, done: Mapping[str, Done]) -> dict[str, Any]:
    exports, measured = Exports.load(done["export"].artefact), MeasureSummary.load(done["measure"].artefact)
    dense = exports.dense
    searches = [stage for name, stage in done.items() if name.startswith("evolve/") or name == "refine"]
    return {
        "name": context.spec.name,
        "quality": context.quality,
        "dense": {
            "accuracy": dense.accuracy,
            "balanced_accuracy": dense.balanced_accuracy,
            "recall": list(dense.recall),
            "loss": dense.loss,
            "macs": dense.macs,
            "params": dense.params,
        },
        "given": asdict(given) if (given := DenseNetwork.load(done["pretrain"].artefact).given) else None,
        "models": [
            {
                "target": model.target,
                "path": f"models/{model.target}",
                "scheme": model.scheme,
                "macs": model.macs,
                "params": model.params,
                "macs_cut": 1 - model.macs / dense.macs,
                "params_cut": 1 - model.params / dense.params,
                "accuracy_before_finetune": model.accuracy_before_finetune,
                "accuracy": model.accuracy,
                "balanced_accuracy": model.balanced_accuracy,
                "recall": list(model.recall),
                "epoch": model.epoch,
                "meets_target": model.meets_target,
            }
            for model in exports.models
        ],
        "search": {
            "evaluations": sum(SearchSummary.load(stage.artefact).evaluations for stage in searches),
            "seconds": round(sum(stage.seconds for stage in searches), 3),
            "hypervolume": measured.hypervolume,
            "hypervolume_reference": measured.hypervolume_reference,
        },
        "rank": {
            "kendall_tau": measured.kendall_tau,
            "schemes": JoinSummary.load(done["join"].artefact).joint_schemes,
            "measured": measured.measured,
        },
        "stages": [{"name": stage.name, "seconds": stage.seconds, "cached": stage.cached} for stage in done.values()],
    }


def _front_table(schemes: MeasuredSchemes, spec: Spec) -> str:
    """Return the front of measured schemes as CSV, cheapest scheme first. ``result.json`` uses the same scheme
    numbers."""
    columns: dict[str, NDArray[np.generic]] = {
        "predicted_loss": schemes.predicted_loss,
        "measured_loss": schemes.loss,
        "accuracy": schemes.accuracy,
        "macs": schemes.macs,
        "params": schemes.params,
    }
    costs = [objective.name for objective in spec.objectives if isinstance(objective, Cost)]
    for index, name in enumerate(costs):
        columns.setdefault(name, schemes.costs[:, index])
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["scheme", *columns])
    for scheme in np.flatnonzero(schemes.on_front).tolist():
        writer.writerow([scheme, *(values[scheme].item() for values in columns.values())])
    return text.getvalue()


def _manifest(context: Context, done: Mapping[str, Done], fingerprint: str, command: Sequence[str]) -> dict[str, Any]:
    """Return the manifest: the software and hardware of the last command, and of each stage when it ran."""
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "seed": context.spec.seed,
        "data": {
            "root": str(context.folder.path),
            "fingerprint": fingerprint,
            "images": image_counts(context.spec.data, context.source),
        },
        "plugins": code_fingerprint(context.spec, type(context.spec).model_fields),
        **provenance(context.device),
        "stages": {name: stage.artefact.meta.get("provenance") for name, stage in done.items()},
    }
