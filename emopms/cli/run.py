"""The command ``emopms run``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from loguru import logger
from rich.console import Console

from emopms.cli.terminal import Bars, Lines, closing_table
from emopms.spec import load_spec

if TYPE_CHECKING:
    import argparse

    from emopms.engine.support.progress import Progress


def command(arguments: argparse.Namespace) -> None:
    """Run a spec, show its progress and print the results."""
    spec = load_spec(arguments.spec, arguments.overrides)  # before importing torch, so that a wrong spec fails at once
    console = Console(stderr=True, highlight=False)
    level = "WARNING" if arguments.quiet else arguments.log_level.upper()
    logger.remove()
    logger.add(lambda line: console.print(line, end="", markup=False), level=level, format="{message}")
    progress: Progress | None = None
    if not arguments.quiet:
        progress = Bars(console) if console.is_terminal else Lines()

    from emopms.engine.run import run

    result = run(
        spec,
        run_dir=arguments.run_dir,
        data_root=arguments.data_root,
        device=arguments.device,
        progress=progress,
        command=["emopms", *sys.argv[1:]],
    )
    if not arguments.quiet:
        Console(highlight=False).print(closing_table(result.summary, result.folder))
