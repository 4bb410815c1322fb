"""From the store to what a run directory promises its user."""

from __future__ import annotations

import csv
import io
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

from emopms.api import Cost
from emopms.engine.pipeline.code_fingerprint import code_fingerprint
from emopms.engine.storage.atomic import from_json, write, writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from emopms.engine.pipeline.runner import Done
    from emopms.engine.session.context import Context
    from emopms.engine.storage.store import Artefact
    from emopms.spec import Spec


def publish(
    context: Context, done: Mapping[str, Done], *, folder: Path, fingerprint: str, command: Sequence[str]
) -> dict[str, Any]:
    """Write models, ``front.csv``, ``spec.resolved.yaml``, ``manifest.json`` and, last, ``result.json``.

    Returns:
        The content of ``result.json``.

    Raises:
        StoreError: One of them cannot be written.
    """
    exported = done["export"].artefact
    with writing(folder / "models") as models:
        for file in exported.files:
            if file.startswith("models/"):
                write(models / file.removeprefix("models/"), exported.content(file))
    write(folder / "front.csv", _front(done["measure"].artefact, context.spec).encode())
    write(folder / "spec.resolved.yaml", context.spec.to_yaml().encode())
    write(folder / "manifest.json", from_json(_manifest(context, fingerprint, command)))
    summary = _summary(context, done)
    write(folder / "result.json", from_json(summary))
    return summary


def _summary(context: Context, done: Mapping[str, Done]) -> dict[str, Any]:
    scores = done["export"].artefact.json("scores")
    measured = done["measure"].artefact.json("summary")
    dense = scores["dense"]
    searches = [stage for name, stage in done.items() if name.startswith("evolve/") or name == "refine"]
    return {
        "name": context.spec.name,
        "quality": context.quality,
        "dense": {key: dense[key] for key in ("accuracy", "loss", "macs", "params")},
        "models": [
            {
                "target": model["target"],
                "path": f"models/{model['target']}",
                "scheme": model["scheme"],
                "macs": model["macs"],
                "params": model["params"],
                "macs_cut": 1 - model["macs"] / dense["macs"],
                "params_cut": 1 - model["params"] / dense["params"],
                "accuracy_before_finetune": model["accuracy_before_finetune"],
                "accuracy": model["accuracy"],
            }
            for model in scores["models"]
        ],
        "search": {
            "evaluations": sum(stage.artefact.json("search")["evaluations"] for stage in searches),
            "seconds": round(sum(stage.seconds for stage in searches), 3),
            "hypervolume": measured["hypervolume"],
            "hypervolume_reference": measured["hypervolume_reference"],
        },
        "rank": {
            "kendall_tau": measured["kendall_tau"],
            "schemes": done["join"].artefact.json("summary")["joint_schemes"],
            "measured": measured["measured"],
        },
        "stages": [{"name": stage.name, "seconds": stage.seconds, "cached": stage.cached} for stage in done.values()],
    }


def _front(measure: Artefact, spec: Spec) -> str:
    """The front, cheapest scheme first, with all its costs; the scheme's number is that of ``result.json``."""
    schemes = dict(measure.arrays("schemes"))
    columns = ["predicted_loss", "loss", "accuracy", "macs", "params"]
    costs = [objective.name for objective in spec.objectives if isinstance(objective, Cost)]
    for index, name in enumerate(costs):
        if name not in columns:
            schemes[name] = schemes["costs"][:, index]
            columns.append(name)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["scheme", *("measured_loss" if column == "loss" else column for column in columns)])
    for scheme, on_front in enumerate(schemes["on_front"]):
        if on_front:
            writer.writerow([scheme, *(schemes[column][scheme].item() for column in columns)])
    return text.getvalue()


def _manifest(context: Context, fingerprint: str, command: Sequence[str]) -> dict[str, Any]:
    packages = ("emopms", "torch", "numpy", "pymoo", "moocore", "pydantic", "safetensors")
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "seed": context.spec.seed,
        "device": str(context.device),
        "threads": torch.get_num_threads(),
        "data": {"root": str(context.folder.path), "fingerprint": fingerprint},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {package: version(package) for package in packages},
        "plugins": code_fingerprint(context.spec, type(context.spec).model_fields),
    }
