"""The command ``emopms plan``, which prints a forecast of a run without running it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from emopms.cli.output import printable
from emopms.cli.tables import Columns, duration, show_tables, size
from emopms.cli.terminal import log_on_terminal
from emopms.engine.images.image_counts import describe_counts
from emopms.spec import AtMost, load_spec

if TYPE_CHECKING:
    import argparse

    from emopms.engine.forecast.forecast import Forecast, MemoryForecast
    from emopms.engine.session.partition_summary import Size
    from emopms.spec import Spec

_STATES = {"complete": "cached", "begun": "to resume", "damaged": "to repeat, damaged", "absent": "to run"}
_UNKNOWN = "unknown until schemes are measured"


def command(arguments: argparse.Namespace) -> None:
    """Print a forecast of a run without running it.

    Raises:
        SpecError: A target cannot be reached. The forecast is printed before the error is raised.
    """
    spec = load_spec(arguments.spec, arguments.overrides)  # before importing torch, so that a wrong spec fails at once

    from emopms.engine.forecast.forecast import forecast
    from emopms.engine.pipeline.preflight import require_reachable_targets

    with log_on_terminal() as console, console.status("measuring the speed of the stages"):
        expected = forecast(spec, run_dir=arguments.run_dir, data_root=arguments.data_root, device=arguments.device)
    show_tables(render(spec, expected))
    require_reachable_targets(spec, expected.dense, expected.floor, expected.floor_without_limits)


def render(spec: Spec, expected: Forecast) -> Group:
    """Return a forecast as tables. The tables are readable without colours."""
    parts: list[Text | Columns | None] = [
        Text(
            f"{printable(f'{spec.name}: run directory {expected.folder}, on {expected.device}')}\n"
            f"{describe_counts(expected.images)}"
        ),
        _blocks(expected),
        _searches(expected),
        _pinned(expected),
        _uncounted(expected),
        _targets(spec, expected),
        _stages(expected),
        _memory(expected.memory),
    ]
    lines: list[Text | Columns] = [line for part in parts if part is not None for line in (part, Text())]
    return Group(*lines)


def _blocks(expected: Forecast) -> Columns:
    table = Columns("sub-network", "blocks", left=("blocks",))
    for part in expected.searches:
        table.add_row(part.name, ", ".join(part.blocks))
    return table


def _searches(expected: Forecast) -> Columns:
    table = Columns(
        "sub-network",
        "prunable\nchannels",
        *("groups", "candidates", "MACs", "least\nMACs", "parameters", "least\nparameters", "evaluations"),
        glued=("least\nMACs", "least\nparameters"),
    )
    parts = expected.searches
    for part, evaluations in zip(parts, expected.evaluations, strict=True):
        least = part.least.macs / part.dense.macs, part.least.params / part.dense.params
        table.add_row(part.name, *_search(part.genes, part.groups, part.log10_space, part.dense, least, evaluations))
    genes, groups = sum(part.genes for part in parts), sum(part.groups for part in parts)
    space = sum(part.log10_space for part in parts)
    floor = expected.floor["macs"], expected.floor["params"]
    if expected.refinements:
        table.add_row("refine", *[""] * 7, _at_most(expected.refinements))
    evaluations = sum(expected.evaluations) + expected.refinements
    table.add_row("total", *_search(genes, groups, space, expected.dense, floor, evaluations))
    return table


def _search(
    genes: int, groups: int, log10_space: float, dense: Size, least: tuple[float, float], evaluations: int
) -> tuple[str, ...]:
    sizes = (f"{dense.macs:,}", f"{least[0]:.1%}", f"{dense.params:,}", f"{least[1]:.1%}")
    return f"{genes:,}", f"{groups:,}", f"10^{log10_space:.1f}", *sizes, _at_most(evaluations)


def _at_most(evaluations: int) -> str:
    return f"≤ {evaluations:,}"


def _pinned(expected: Forecast) -> Columns | None:
    layers: dict[str, list[str]] = {}
    for part in expected.searches:
        for layer, reason in part.pinned.items():
            layers.setdefault(reason, []).append(layer)
    if not layers:
        return None
    table = Columns("not prunable", "reason", left=("not prunable", "reason"))
    for reason, names in layers.items():
        table.add_row(", ".join(names), reason)
    return table


def _uncounted(expected: Forecast) -> Columns | None:
    """Return a table of the operations whose MACs are not counted, with their MACs if these are known."""
    macs: dict[str, list[int | None]] = {}
    for part in expected.searches:
        for operation, number in part.uncounted.items():
            macs.setdefault(operation, []).append(number)
    if not macs:
        return None
    table = Columns("not in the MACs", "MACs", left=("not in the MACs",))
    for operation, numbers in macs.items():
        known = [number for number in numbers if number is not None]
        table.add_row(operation, f"{sum(known):,}" if known else "not known")
    return table


def _targets(spec: Spec, expected: Forecast) -> Columns:
    table = Columns("target", "", "bound", "minimum", "reachable", left=("target", "", "reachable"))
    for target in spec.targets:
        shares, rows = target.counted_shares(asdict(expected.dense)), []
        for name, bound in target.cost_bounds.items():
            shown = f"{bound.at_most:,g}" if isinstance(bound, AtMost) else f"{bound:.3%}"
            if name in shares:
                floor = expected.floor[name]
                rows.append((name, shown, f"{floor:.3%}", "no" if shares[name] < floor else "yes"))
            else:
                rows.append((name, shown, "", _UNKNOWN))
        if target.accuracy_drop is not None:
            rows.append(("accuracy_drop", f"{target.accuracy_drop:.3%}", "", _UNKNOWN))
        for number, row in enumerate(rows):
            table.add_row("" if number else target.slug, *row)  # the name is shown once per target
    return table


def _stages(expected: Forecast) -> Columns:
    table = Columns("stage", "state", "estimate", left=("stage", "state"))
    for stage in expected.stages:
        cached = stage.state == "complete"
        table.add_row(stage.name, _STATES[stage.state], "" if cached else duration(stage.seconds))
    running = sum(stage.state != "complete" for stage in expected.stages)
    table.add_row("total", f"{running} to run", duration(expected.seconds) if running else "")
    return table


def _memory(memory: MemoryForecast | None) -> Columns | None:
    if memory is None:
        return None
    table = Columns("memory", "estimate", "", left=("memory", ""))
    table.add_row(
        "images",
        size(memory.images),
        "training, calibration and validation images as uint8 (float32: four times as much)",
    )
    table.add_row("test images", size(memory.test_images), "only in the last stage")
    table.add_row("features", size(memory.features), "calibration features of the largest sub-network search")
    table.add_row("working", size(memory.working), memory.working_of)
    return table
