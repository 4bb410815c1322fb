"""``emopms.compare``: specs and baselines from the same dense network through the same stages, row by row."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from loguru import logger

from emopms.engine.comparison.methods import labels, row_stages
from emopms.engine.comparison.one_seed import OneSeed
from emopms.engine.comparison.table import csv_table, markdown, summarise
from emopms.engine.pipeline.provenance import provenance
from emopms.engine.storage.lock import hold_lock
from emopms.engine.storage.outputs import Outputs
from emopms.engine.storage.serialization import encode_json
from emopms.engine.support.paths import data_folder, run_folder
from emopms.engine.support.progress import Silent
from emopms.network.runtime.device import Device
from emopms.process_state import plain_torch
from emopms.spec import Spec, load_spec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emopms.engine.comparison.row import Row
    from emopms.engine.support.progress import Progress

_SHARED = ("backbone", "data", "pretrain", "targets", "finetune")
"""Keys in which all specs of a comparison must agree."""


@dataclass(frozen=True)
class Comparison:
    """The results of a comparison."""

    folder: Path
    """Holds ``comparison.md``, ``.csv`` and ``.json``, ``rows/``, and a run directory for each spec and seed."""
    rows: Sequence[Row]
    """One for each method, target and seed."""
    summary: dict[str, Any]
    """The content of ``comparison.json``."""


def compare(
    specs: Spec | str | PathLike[str] | Sequence[Spec | str | PathLike[str]],
    *,
    run_dir: str | PathLike[str] | None = None,
    data_root: str | PathLike[str] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    command: Sequence[str] | None = None,
) -> Comparison:
    """Compare the search of one or several specs with the baselines that the first one lists, for each target and seed.

    What an earlier comparison completed in the same folder is not repeated. The table is written anew after each row.

    Args:
        specs: Specs, or their paths. They must agree in backbone, data, pre-training, targets and fine-tuning. Targets
            need a bound on MACs or parameters if there are baselines.
        run_dir: The folder that receives everything; by default ``runs/<name>-comparison`` below the current folder.
        data_root: As for `run`.
        device: As for `run`.
        progress: Receives the progress; by default nothing is shown.
        command: The command line that manifests record; by default ``sys.argv``.

    Raises:
        SpecError: A spec is wrong, or does not fit the others, its network or its data.
        EmopmsError: The comparison cannot continue. Completed stages stay in the stores.
    """
    given = [specs] if isinstance(specs, Spec | str | PathLike) else specs
    read = [spec if isinstance(spec, Spec) else load_spec(spec) for spec in given]
    first = read[0]
    _require_comparable(read)
    folder = run_folder(first, run_dir if run_dir is not None else f"runs/{first.name}-comparison")
    chosen, show = Device.choose(device), progress if progress is not None else Silent()
    named = list(zip(labels(first.baselines, [spec.name for spec in read]), first.baselines, strict=True))
    rows: list[Row] = []
    with plain_torch(), hold_lock(folder / "store"):

        def add(row: Row, *, fresh: bool) -> None:
            rows.append(row)
            if fresh:
                _write(folder, rows, read, chosen)
            logger.info("{}, {}, seed {}: {:.2%}", row.method, row.target, row.seed, row.accuracy)

        for seed in first.seeds or (first.seed,):
            made: list[OneSeed] = []
            for spec in read:
                one = OneSeed(
                    spec.model_copy(update={"seed": seed}),
                    folder / f"{spec.name}-seed-{seed}",
                    data=data_folder(spec, data_root),
                    device=chosen,
                    progress=show,
                    command=command or sys.argv,
                )
                baselines = named if spec is first else []
                planned = [
                    (label, baseline, target, row_stages(one.spec, baseline, label, target))
                    for target in spec.targets
                    for label, baseline in baselines
                ]
                with one.opened([step for *_, stages in planned for step in stages.all], made[0] if made else None):
                    for row in one.search_rows():
                        add(row, fresh=one.fresh)
                    for label, baseline, target, stages in planned:
                        row = one.baseline_row(label, baseline, target, stages)
                        add(row, fresh=one.fresh)
                made.append(one)
        _write(folder, rows, read, chosen)
    return Comparison(folder, rows, summarise(rows))


def _require_comparable(specs: Sequence[Spec]) -> None:
    """Refuse specs that would not be compared on equal terms.

    Raises:
        SpecError: See `compare`.
    """
    first, names = specs[0], [spec.name for spec in specs]
    for index, spec in enumerate(specs):
        if spec.name in names[:index]:
            raise spec.problem(
                ("name",), "another spec of the comparison has this name.", "Give each a name of its own."
            )
        for key in _SHARED:
            if getattr(spec, key) != getattr(first, key):
                raise spec.problem(
                    (key,),
                    f"differs from that of {first.name!r}, with which it is compared.",
                    f"Let it extend that spec, and leave `{key}` as it is.",
                )
    for index, target in enumerate(first.targets):
        if first.baselines and (not target.cost_bounds or target.accuracy_drop is not None):
            raise first.problem(
                ("targets", index),
                "is no bound on costs alone, and baselines prune to such a bound.",
                "Give `macs`, `params` or both.",
            )


def _write(folder: Path, rows: Sequence[Row], specs: Sequence[Spec], device: Device) -> None:
    """Write all rows and the tables."""
    summary = {"name": specs[0].name, "machine": provenance(device), **summarise(rows)}
    files = {row.file: encode_json(row.as_json()) for row in rows} | {
        "comparison.json": encode_json(summary),
        "comparison.csv": csv_table(rows).encode(),
        "comparison.md": markdown(summary).encode(),
    }
    Outputs(folder).publish(files, {})
