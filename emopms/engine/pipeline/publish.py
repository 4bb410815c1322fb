"""Publishes the results of a run: copies them from the store to the files that the user reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from loguru import logger

from emopms.engine.images.image_counts import image_counts
from emopms.engine.models.load import WEIGHTS
from emopms.engine.pipeline.code_fingerprint import code_fingerprint
from emopms.engine.pipeline.provenance import provenance
from emopms.engine.report.page import render
from emopms.engine.report.story import RunStory, searches_of
from emopms.engine.results.exported import ExportedModel, ModelFigures
from emopms.engine.results.joint_front import GENOMES, TABLE, JointFront
from emopms.engine.results.networks import DenseNetwork, FinetunedNetwork
from emopms.engine.results.schemes import JoinSummary, MeasuredSchemes, MeasureSummary
from emopms.engine.results.search_summary import SearchSummary
from emopms.engine.search.named_costs import cost_names
from emopms.engine.storage.atomic import read_regular
from emopms.engine.storage.outputs import Outputs
from emopms.engine.storage.serialization import UNREADABLE, decode_arrays, decode_json, encode_arrays, encode_json
from emopms.engine.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.pipeline.preflight import Prepared
    from emopms.engine.pipeline.runner import Done
    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact

RESULT: Final = "result.json"
MANIFEST: Final = "manifest.json"
SPEC: Final = "spec.resolved.yaml"
REPORT: Final = "report.html"
_MOST_BYTES = 64 * 2**20
"""Maximum bytes of a published file that is read."""


@dataclass(frozen=True)
class Published:
    """The files that runs published in a run directory, if they are whole and belong to one search."""

    summary: Mapping[str, Any]
    """The content of ``result.json``."""
    front: JointFront
    """The content of ``front.csv`` and ``front.npz``."""
    widths: NDArray[np.int32]
    """Number of output channels [schemes, layers] that each scheme keeps, from ``front.npz``."""

    @classmethod
    def read(cls, folder: Path) -> Published | None:
        """Read the files of a run directory; None if they are missing, changed, or of version 0.1.

        ``front.csv`` is not read: ``front.npz`` holds the table, too.
        """
        if Outputs(folder).changed((RESULT, GENOMES)):
            return None
        try:
            summary = decode_json(read_regular(folder / RESULT, most=_MOST_BYTES))
            arrays = decode_arrays(read_regular(folder / GENOMES, most=_MOST_BYTES))
            front = JointFront.read(arrays)
            return cls(summary, front, arrays["widths"]) if summary["search"]["key"] else None
        except (*UNREADABLE, UnicodeDecodeError):
            return None


def publish(
    prepared: Prepared,
    done: Mapping[str, Done],
    *,
    folder: Path,
    command: Sequence[str],
    plan: Mapping[str, str],
    picked: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write models, ``front.csv``, ``front.npz``, ``spec.resolved.yaml``, ``manifest.json``, ``result.json`` and
    ``report.html`` (see `Outputs`). Models that were made earlier from the same search stay among the results.

    Args:
        prepared: The spec of the run with its data and its network.
        done: The complete stages.
        folder: The run directory.
        command: The command line that the manifest records.
        plan: The keys of the stages of the spec, and of the models that were picked.
        picked: For each model that no target of the spec asks for: its name, and what it was made with.

    Returns:
        The content of ``result.json``.

    Raises:
        StoreError: A file cannot be written.
    """
    context, layers = prepared.context, prepared.layers
    outputs, made = Outputs(folder), [name.removeprefix("export/") for name in done if name.startswith("export/")]
    kept: list[dict[str, Any]] = []
    exported = [done[f"export/{slug}"].artefact for slug in made]
    front, published = JointFront.empty(), Published.read(folder)
    if published is not None and published.summary["search"]["key"] == done["measure"].artefact.meta["key"]:
        front = published.front
        others = [model for model in published.summary["models"] if model["target"] not in made]
        damaged = [model for model in others if not outputs.holds(model["path"])]
        restored = {model["target"]: artefact for model in damaged if (artefact := _stored(folder, model))}
        exported += restored.values()
        kept = [model for model in others if model not in damaged or model["target"] in restored]
    front = _extended(front, context, done, made)
    made_with = {
        target.slug: {"target": target.model_dump(), "finetune": context.spec.finetune.model_dump()}
        for target in context.spec.targets
    } | dict(picked or {})
    summary = _summary(context, done, {slug: made_with[slug] for slug in made}, kept, front)
    summary["layers"] = [asdict(layer) for layer in layers.layers]
    arrays = front.as_arrays()
    arrays["widths"] = layers.widths(arrays["genomes"])
    manifest, spec = _manifest(prepared, done, command), context.spec.to_yaml()
    searches = searches_of({name: stage.artefact for name, stage in done.items()})
    costs = cost_names(context.spec)
    story = RunStory(folder.resolve().name, "", summary, front, arrays["widths"], costs, searches, manifest, spec)
    files = {
        file: artefact.content(file) for artefact in exported for file in artefact.files if file.startswith("models/")
    } | {
        TABLE: front.as_csv().encode(),
        GENOMES: encode_arrays(arrays),
        SPEC: spec.encode(),
        MANIFEST: encode_json(manifest),
        RESULT: encode_json(summary),
        REPORT: render([story]).encode(),
    }
    # A folder holds the files of one network: those of an earlier one are replaced, or go.
    renewed = [str(PurePosixPath(file).parent) for file in files if file.endswith(WEIGHTS)]
    replaced = [path for path in renewed if outputs.differs(f"{path}/{WEIGHTS}", files[f"{path}/{WEIGHTS}"])]
    outputs.publish(files, plan, stay=[model["path"] for model in kept], replaced=replaced)
    return summary


def _stored(folder: Path, model: Mapping[str, Any]) -> Artefact | None:
    """Return the stored files of a model whose published files are not as they were; None if they are not stored.

    A log line says in both cases what happens to the model.
    """
    artefact = Store(folder / "store").status(f"export/{model['target']}", model["key"]).artefact
    if artefact is None:
        logger.warning(
            "{}: a file is missing or was changed, so the model is no longer among the results; "
            "`emopms pick --index {}` makes it again",
            model["path"],
            model["scheme"],
        )
    else:
        logger.warning("{}: a file is missing or was changed, and is written again from the store", model["path"])
    return artefact


def _extended(front: JointFront, context: Context, done: Mapping[str, Done], made: Sequence[str]) -> JointFront:
    """Return a front with the measured schemes of the run, and with those that were found near its targets."""
    names = cost_names(context.spec)
    genomes = {slug: FinetunedNetwork.load(done[f"finetune/{slug}"].artefact).genome for slug in made}
    for name in ["measure", *(name for name in done if name.startswith("aim/"))]:
        front = front.with_more(MeasuredSchemes.load(done[name].artefact), names, genomes)
    return front


def _summary(
    context: Context,
    done: Mapping[str, Done],
    made: Mapping[str, Any],
    kept: Sequence[dict[str, Any]],
    front: JointFront,
) -> dict[str, Any]:
    measured, dense = MeasureSummary.load(done["measure"].artefact), ModelFigures.load(done["dense"].artefact)
    of_the_spec = {f"aim/{target.slug}" for target in context.spec.targets}
    searches = [s for name, s in done.items() if name.startswith("evolve/") or name == "refine" or name in of_the_spec]
    asked = {target.slug for target in context.spec.targets}
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
            *(_model(done, slug, dense, front, made[slug]) for slug in made if slug in asked),
            *kept,
            *(_model(done, slug, dense, front, made[slug]) for slug in made if slug not in asked),
        ],
        "search": {
            "key": done["measure"].artefact.meta["key"],
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


def _model(
    done: Mapping[str, Done], slug: str, dense: ModelFigures, front: JointFront, made_with: Any
) -> dict[str, Any]:
    model, breakdown = (done[f"{stage}/{slug}"].artefact for stage in ("export", "breakdown"))
    figures, genome = ExportedModel.load(model), FinetunedNetwork.load(done[f"finetune/{slug}"].artefact).genome
    return {
        "target": slug,
        "path": f"models/{slug}",
        "scheme": front.number_of(genome),
        "macs": figures.macs,
        "params": figures.params,
        "macs_cut": 1 - figures.macs / dense.macs,
        "params_cut": 1 - figures.params / dense.params,
        "costs": dict(figures.costs),
        "dense_costs": dict(figures.dense_costs),
        "accuracy_before_finetune": figures.accuracy_before_finetune,
        "accuracy": figures.accuracy,
        "balanced_accuracy": figures.balanced_accuracy,
        "recall": list(figures.recall),
        "loss": figures.loss,
        "epoch": figures.epoch,
        "meets_target": figures.meets_target,
        "made_with": made_with,
        "key": model.meta["key"],
        **breakdown.json("breakdown"),
    }


def _manifest(prepared: Prepared, done: Mapping[str, Done], command: Sequence[str]) -> dict[str, Any]:
    """Return the manifest: the software and hardware of the last command, and of each stage when it ran."""
    context = prepared.context
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "seed": context.spec.seed,
        "data": {
            "root": str(context.folder.path.absolute()),
            "fingerprint": prepared.fingerprint,
            "images": image_counts(context.spec.data, context.source),
        },
        "weights": prepared.weights,
        "not_in_the_spec": {
            key: component.only_in_python
            for key, component in (("backbone", context.spec.backbone), ("data", context.spec.data))
            if component.only_in_python
        },
        "plugins": code_fingerprint(context.spec, type(context.spec).model_fields),
        **provenance(context.device),
        "stages": {name: stage.artefact.meta.get("provenance") for name, stage in done.items()},
    }
