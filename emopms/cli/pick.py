"""The command ``emopms pick``, which makes one more model from a finished run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from emopms.cli.engine import show_results
from emopms.cli.output import printable
from emopms.cli.terminal import closing_table, progress_on_terminal
from emopms.errors import CommandError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def command(arguments: argparse.Namespace) -> None:
    """Make the model that the arguments ask for, and show all models of the run."""
    target = _target(arguments)
    goals = (bool(target), arguments.accuracy is not None, arguments.knee, arguments.index is not None)
    if sum(goals) != 1:
        raise CommandError(
            "`emopms pick` makes one model: these options exclude each other." if any(goals) else "Which model?",
            remedy="Give bounds (--macs, --params, --cost, --accuracy-drop), or one of --accuracy, --knee and --index.",
        )
    existing = {model["target"] for model in _models(arguments.run)}
    with progress_on_terminal(quiet=arguments.quiet, log_level=arguments.log_level) as progress:
        from emopms.engine.finished.pick import pick

        try:
            result = pick(
                arguments.run,
                target=target or None,
                accuracy=arguments.accuracy,
                knee=arguments.knee,
                scheme=arguments.index,
                overrides=arguments.overrides,
                data_root=arguments.data_root,
                device=arguments.device,
                progress=progress,
                command=["emopms", *sys.argv[1:]],
            )
        except ValueError as error:
            raise CommandError(f"{error}.", remedy="Write --accuracy 0.75 for 75 %.") from error
        except KeyError as error:
            raise CommandError(f"The front has {error.args[0]}.", remedy="`emopms show` lists the front.") from error
    if not arguments.quiet:
        made = [model["path"] for model in result.summary["models"] if model["target"] not in existing]
        told = f"made {result.folder / made[0]}" if made else "nothing was made: the model is there already"
        table = closing_table(result.summary, result.folder)
        show_results(Group(table, Text(), Text(printable(told), overflow="fold")), result.folder)


def _models(folder: Path) -> list[dict[str, Any]]:
    from emopms.engine.finished.result import Result

    models: list[dict[str, Any]] = Result(folder).summary["models"]
    return models


def _target(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the bounds of the target that the arguments ask for, as in a spec; empty without any."""
    given = {name: getattr(arguments, name) for name in ("macs", "params", "accuracy_drop")}
    target: dict[str, Any] = {name: bound for name, bound in given.items() if bound is not None}
    for written in arguments.cost:
        name, _, bound = written.partition("=")
        if name in target:
            raise CommandError(f"{name} has two bounds.", remedy="Give one of them.")
        try:
            target[name] = {"at_most": float(bound)}
        except ValueError as error:
            raise CommandError(f"--cost {written}: expected NAME=NUMBER.", remedy="Write --cost latency=5.") from error
    return target
