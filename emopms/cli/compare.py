"""The command ``emopms compare``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from loguru import logger
from rich.console import Console

from emopms.cli.tables import columns, console
from emopms.cli.terminal import Bars, Lines
from emopms.spec import load_spec

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from rich.table import Table

    from emopms.engine.support.progress import Progress

_WIDTH = 140
"""Number of columns if the output is not a terminal."""


def command(arguments: argparse.Namespace) -> None:
    """Compare specs and baselines, show the progress and print the table."""
    specs = [load_spec(path, arguments.overrides) for path in arguments.specs]  # before importing torch
    shown = Console(stderr=True, highlight=False)
    level = "WARNING" if arguments.quiet else arguments.log_level.upper()
    logger.remove()
    logger.add(lambda line: shown.print(line, end="", markup=False), level=level, format="{message}")
    progress: Progress | None = None
    if not arguments.quiet:
        progress = Bars(shown) if shown.is_terminal else Lines()

    from emopms.engine.comparison.compare import compare

    comparison = compare(
        specs,
        run_dir=arguments.run_dir,
        data_root=arguments.data_root,
        device=arguments.device,
        progress=progress,
        command=["emopms", *sys.argv[1:]],
    )
    if not arguments.quiet:
        console(_WIDTH).print(_table(comparison.summary))
        print(f"tables and rows in {comparison.folder}")  # noqa: T201


def _table(summary: dict[str, Any]) -> Table:
    table = columns(
        *("target", "method", "MACs kept", "before fine-tuning", "after", "search", "evaluations"),
        left=("target", "method"),
    )
    for entry in summary["methods"]:
        table.add_row(
            entry["target"],
            entry["method"],
            f"{entry['macs_share']['mean']:.3f}",
            _percent(entry["accuracy_before"]),
            _percent(entry["accuracy"]),
            f"{entry['search_seconds']['mean']:.1f} s",
            f"{entry['evaluations']['mean']:,.0f}",
        )
    return table


def _percent(spread: dict[str, float | None]) -> str:
    deviation = f" ± {spread['sd']:.2%}" if spread["sd"] is not None else ""
    return f"{spread['mean']:.2%}{deviation}"
