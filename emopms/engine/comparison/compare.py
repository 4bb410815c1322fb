"""``emopms.compare``: compares the searches of specs with baselines, which are other pruning methods. All methods prune
the same dense network."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from loguru import logger

from emopms.engine.comparison.methods import labels, row_stages
from emopms.engine.comparison.one_seed import OneSeed
from emopms.engine.comparison.picture import PICTURE, draw
from emopms.engine.comparison.table import csv_table, markdown, summarise
from emopms.engine.drawing.style import can_draw
from emopms.engine.pipeline.progress_file import kept_progress
from emopms.engine.pipeline.provenance import provenance
from emopms.engine.storage.inventory import COMPARISON, is_run
from emopms.engine.storage.outputs import Outputs
from emopms.engine.storage.serialization import encode_json
from emopms.engine.storage.store import lock_comparison
from emopms.engine.support.library_log import quiet_default_sink
from emopms.engine.support.paths import data_folder, run_folder
from emopms.engine.support.progress import Silent
from emopms.engine.support.seeds import seeded_globals
from emopms.errors import StoreError
from emopms.network.runtime.device import Device
from emopms.process_state import plain_torch
from emopms.spec import Spec, as_spec
from emopms.spec.target import COUNTED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emopms.engine.comparison.row import Row
    from emopms.engine.support.progress import Progress

    _Given = Spec | Mapping[str, Any] | str | PathLike[str]

_SHARED = ("backbone", "data", "pretrain", "targets", "surgery", "finetune")
"""Keys in which all specs of a comparison must agree."""


@dataclass(frozen=True)
class Comparison:
    """The results of a comparison of pruning methods."""

    folder: Path
    """The folder that holds the tables (``comparison.md``, ``comparison.csv`` and ``comparison.json``), the picture
    ``comparison.svg`` if matplotlib is installed, a file for each row in ``rows/``, and a run directory for each spec
    and seed."""
    rows: Sequence[Row]
    """The rows of the table: the figures of one pruned network for each pruning method, target and seed."""
    summary: dict[str, Any]
    """The content of ``comparison.json``."""


def compare(
    specs: _Given | Sequence[_Given],
    *,
    run_dir: str | PathLike[str] | None = None,
    data_root: str | PathLike[str] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    command: Sequence[str] | None = None,
) -> Comparison:
    """Compare the search of one or several specs with the baselines that the first spec lists, for each target and
    seed.

    A baseline is another pruning method. Stages that an earlier comparison completed in the same folder are not
    repeated. The tables and the picture are rewritten after each new row, which is the result for one method, target
    and seed. Without matplotlib, no picture is made.

    Args:
        specs: Specs, mappings with their keys, or their paths. They must agree in backbone, data, pre-training,
            targets, surgery and fine-tuning. If there are baselines, every target must bound MACs, parameters or both,
            and nothing else.
        run_dir: The folder that receives all results; by default ``runs/<name>-comparison`` below the current folder.
        data_root: The folder that relative paths in the specs start from, as for `emopms.run`.
        device: ``auto`` (CUDA if it is available), ``cpu`` or ``cuda``.
        progress: Receives the progress of the comparison; by default nothing is shown.
        command: The command line that the file ``manifest.json`` of each run records; by default ``sys.argv``.

    Raises:
        SpecError: A spec is wrong, or does not fit the others, its network or its data.
        ValueError: There is no spec.
        EmopmsError: The comparison cannot continue. Completed stages stay in the stores.
    """
    quiet_default_sink()
    read = [as_spec(spec) for spec in ([specs] if isinstance(specs, Spec | Mapping | str | PathLike) else specs)]
    if not read:
        raise ValueError("`emopms.compare` needs at least one spec")
    first = read[0]
    _require_comparable(read)
    folder = run_folder(first, run_dir if run_dir is not None else f"runs/{first.name}-comparison")
    chosen = Device.choose(device)
    named = list(zip(labels(first.baselines, [spec.name for spec in read]), first.baselines, strict=True))
    rows: list[Row] = []
    if is_run(folder):
        raise StoreError(
            f"{folder} is the folder of a run: a comparison there would take over its files.",
            remedy="Choose another --run-dir.",
        )
    with (
        plain_torch(),
        seeded_globals(first.seed),
        lock_comparison(folder / "store"),
        kept_progress(folder / "store", Silent() if progress is None else progress) as kept,
    ):

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
                    progress=kept,
                    command=command or sys.argv,
                )
                baselines = named if spec is first else []
                planned = [
                    (label, baseline, target, row_stages(one.spec, baseline, label, target, device=str(chosen)))
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
    if not can_draw():
        logger.info("{} is not made, because matplotlib is not installed: pip install 'emopms[plot]'", PICTURE)
    return Comparison(folder, rows, summarise(rows))


def _require_comparable(specs: Sequence[Spec]) -> None:
    """Refuse specs that cannot be compared fairly: two specs have the same name or differ in a key that must agree, or
    a target is not suitable for baselines.

    Raises:
        SpecError: The specs cannot be compared. The message names the wrong key.
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
        if first.baselines and not target.model_dump().keys() <= set(COUNTED):
            raise first.problem(
                ("targets", index),
                "is no bound on costs alone, and baselines prune to such a bound.",
                "Give `macs`, `params` or both.",
            )


def _write(folder: Path, rows: Sequence[Row], specs: Sequence[Spec], device: Device) -> None:
    """Write the files of a comparison: one file for each row, the tables as Markdown, CSV and JSON, and the picture if
    matplotlib is installed."""
    summary = {"name": specs[0].name, "machine": provenance(device), **summarise(rows)}
    files = {row.file: encode_json(row.as_json()) for row in rows} | {
        COMPARISON: encode_json(summary),
        "comparison.csv": csv_table(rows).encode(),
        "comparison.md": markdown(summary).encode(),
        **({PICTURE: draw(summary)} if can_draw() else {}),
    }
    Outputs(folder).publish(files, {})
