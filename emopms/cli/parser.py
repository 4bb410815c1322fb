"""What can be typed after ``emopms``. Every subcommand is a module beside this one, with a function ``command``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from emopms import __version__
from emopms.registry import SLOTS

if TYPE_CHECKING:
    from collections.abc import Sequence

_CLEAN = "runs clean"
"""One word to argparse, where a subcommand cannot have another that may be left out."""
LOG_LEVELS = ("debug", "info", "warning", "error")


def parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    top = argparse.ArgumentParser(
        prog="emopms", description="Make PyTorch networks smaller, with the whole trade-off in view."
    )
    top.add_argument("--version", action="version", version=f"emopms {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="prune a network as a spec says")
    run.add_argument("spec", help="the spec, a YAML file")
    _add_overrides(run)
    _add_places(run)
    run.add_argument("--quiet", action="store_true", help="show only warnings and errors")
    run.add_argument("--log-level", choices=LOG_LEVELS, default="info", help="default: info")

    plan = commands.add_parser("plan", help="show what a run would do, and about how long it would take")
    plan.add_argument("spec", help="the spec, a YAML file")
    _add_overrides(plan)
    _add_places(plan)

    runs = commands.add_parser("runs", help="list run directories, how they stand and what they take on disk")
    runs.set_defaults(clean=False)
    _add_runs(runs)

    clean = commands.add_parser(_CLEAN, help="show what nothing needs any more in run directories, or remove it")
    clean.set_defaults(command="runs", clean=True)
    clean.add_argument("--yes", action="store_true", help="remove it; without this, nothing is")
    _add_runs(clean)

    validate = commands.add_parser("validate", help="check specs, without looking at data or network")
    validate.add_argument("specs", nargs="+", metavar="spec", help="specs, YAML files")
    _add_overrides(validate)

    plugins = commands.add_parser("plugins", help="list components, built in and from plugins, or explain one")
    plugins.add_argument("component", nargs="?", metavar="SLOT/NAME", help="such as objective/macs")
    _add_files(plugins)

    schema = commands.add_parser("schema", help="print the JSON Schema of specs, for editors")
    _add_files(schema)

    new = commands.add_parser("new", help="write a plugin package to start from")
    new.add_argument("slot", choices=SLOTS, metavar="SLOT", help=", ".join(SLOTS))
    new.add_argument("name", metavar="NAME", help="what the component is called in a spec, such as my_latency")
    new.add_argument("--into", type=Path, default=Path(), metavar="DIR", help="where to put it (default: here)")
    return top


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What was typed after ``emopms``."""
    words = list(words)
    if words[:2] == _CLEAN.split():
        words[:2] = [_CLEAN]
    return parser().parse_args(words)


def _add_runs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="a folder of run directories, or one of them (default: runs)",
    )


def _add_overrides(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH.TO.KEY=VALUE",
        help="set one value on top of the spec, such as algorithm.pop_size=20; may be repeated",
    )


def _add_places(command: argparse.ArgumentParser) -> None:
    command.add_argument("--run-dir", metavar="DIR", help="where to write (default: runs/<name>)")
    command.add_argument(
        "--data-root",
        metavar="DIR",
        help="where relative paths in the spec start (default: EMOPMS_DATA, or the spec's folder)",
    )
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto, CUDA where there is one"
    )


def _add_files(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--plugins",
        dest="files",
        action="append",
        default=[],
        type=lambda text: Path(text).absolute(),
        metavar="FILE",
        help="a Python file with components, as specs name them under `plugins`; may be repeated",
    )
