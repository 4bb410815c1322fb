"""The argument parser. Each subcommand is a module of this package with a function ``command``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emopms import __version__
from emopms.cli.output import show, tell
from emopms.registry import SLOTS

if TYPE_CHECKING:
    from collections.abc import Sequence

_CLEAN = "runs clean"
"""The subcommand ``runs clean``. For argparse it is one word, because argparse has no optional nested subcommands."""
DEFAULT_FOLDER = Path("runs")
"""The folder in which `emopms runs` looks, and in which runs without ``--run-dir`` write."""
LOG_LEVELS = ("debug", "info", "warning", "error")


class _Parser(argparse.ArgumentParser):
    """A parser that writes its messages by `show` and `tell`, which escape control characters in words of the user."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if message:
            (show if file is sys.stdout else tell)(message.removesuffix("\n"))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = _Parser(prog="emopms", description="Prune PyTorch networks by evolutionary multi-objective search.")
    top.add_argument("--version", action="version", version=f"emopms {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="prune a network according to a spec")
    run.add_argument("spec", help="the spec, a YAML file")
    _add_overrides(run)
    _add_places(run)
    _add_display(run)

    compare = commands.add_parser("compare", help="compare specs with each other and with the baselines of the first")
    compare.add_argument("specs", nargs="+", metavar="spec", help="specs, YAML files with the same network and data")
    _add_overrides(compare)
    _add_places(compare)
    _add_display(compare)

    watch = commands.add_parser("watch", help="follow the progress of a run or a comparison in another terminal")
    watch.add_argument("run", type=Path, metavar="RUN", help="the directory of a run or of a comparison")

    show_run = commands.add_parser("show", help="show a finished run: its models, its front, and where each model lost")
    show_run.add_argument("run", type=Path, metavar="RUN", help="a run directory")
    show_run.add_argument("--model", metavar="NAME", help="show the layers of this model, such as macs-0.5")

    pick = commands.add_parser("pick", help="make one more model from a finished run, without another search")
    pick.add_argument("run", type=Path, metavar="RUN", help="a run directory")
    _add_goal(pick)
    _add_overrides(pick, what="override one value under `finetune`, such as finetune.epochs=10")
    _add_data_and_device(pick)
    _add_display(pick)

    diff = commands.add_parser("diff", help="show what differs between two finished runs")
    diff.add_argument("first", type=Path, metavar="RUN", help="a run directory")
    diff.add_argument("second", type=Path, metavar="RUN", help="another run directory")

    report = commands.add_parser("report", help="write the report of finished runs, to open in a browser")
    report.add_argument(
        "run", type=Path, nargs="+", metavar="RUN", help="a run directory; several are laid over each other"
    )
    report.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="the new file; by default report.html in the current folder",
    )

    plot = commands.add_parser("plot", help="draw the fronts and models of finished runs, for papers")
    plot.add_argument("run", type=Path, nargs="+", metavar="RUN", help="a run directory; several share the axes")
    plot.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("front.svg"),
        metavar="FILE",
        help="the new file, which ends with .svg, .png or .pdf; by default front.svg in the current folder",
    )
    plot.add_argument("--x", default="macs", metavar="COST", help="macs (the default), params, or a cost of the runs")
    plot.add_argument("--y", choices=("accuracy", "loss"), default="accuracy", help="default: accuracy")
    plot.add_argument("--width", type=float, default=3.3, metavar="INCHES", help="default: 3.3, a column of a paper")

    plan = commands.add_parser("plan", help="show the stages of a run, and estimate its time and memory")
    plan.add_argument("spec", help="the spec, a YAML file")
    _add_overrides(plan)
    _add_places(plan)

    runs = commands.add_parser("runs", help="list run directories with their state and size")
    runs.set_defaults(clean=False)
    _add_runs(runs)

    clean = commands.add_parser(_CLEAN, help="list files in run directories that are no longer needed, or remove them")
    clean.set_defaults(command="runs", clean=True)
    clean.add_argument("--yes", action="store_true", help="remove the files; without this option they are only listed")
    _add_runs(clean)

    validate = commands.add_parser("validate", help="check specs without reading data or building networks")
    validate.add_argument("specs", nargs="+", metavar="spec", help="specs, YAML files")
    _add_overrides(validate)

    plugins = commands.add_parser("plugins", help="list all components, built in and from plugins, or describe one")
    plugins.add_argument(
        "component", nargs="?", metavar="SLOT/NAME", help="the component to describe, such as objective/macs"
    )
    _add_files(plugins)

    schema = commands.add_parser("schema", help="print the JSON Schema of specs, for editors")
    _add_files(schema)

    new = commands.add_parser("new", help="create a plugin package with a working component")
    new.add_argument("slot", choices=SLOTS, metavar="SLOT", help=", ".join(SLOTS))
    new.add_argument("name", metavar="NAME", help="name of the component in a spec, such as my_latency")
    new.add_argument(
        "--into", type=Path, default=Path(), metavar="DIR", help="folder for the package (default: the current folder)"
    )
    return top


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the command-line arguments that follow ``emopms``."""
    words = list(words)
    if words[:2] == _CLEAN.split():
        words[:2] = [_CLEAN]
    return parser().parse_args(words)


def _add_runs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="DIR",
        help="a run directory, or a folder that contains run directories (default: runs)",
    )


def _add_goal(command: argparse.ArgumentParser) -> None:
    target = command.add_argument_group("a target; several bounds may be given together")
    for cost in ("macs", "params"):
        target.add_argument(f"--{cost}", type=float, metavar="SHARE", help=f"largest allowed share of the dense {cost}")
    target.add_argument(
        "--cost",
        action="append",
        default=[],
        metavar="NAME=AT_MOST",
        help="largest allowed value of another cost among the objectives, in its own unit, such as latency=5",
    )
    target.add_argument("--accuracy-drop", type=float, metavar="SHARE", help="largest allowed decrease, such as 0.01")
    point = command.add_argument_group("or a point of the front").add_mutually_exclusive_group()
    point.add_argument("--accuracy", type=float, metavar="SHARE", help="the cheapest with this validation accuracy")
    point.add_argument("--knee", action="store_true", help="the knee of the front")
    point.add_argument("--index", "--scheme", type=int, metavar="SCHEME", help="the scheme of this number")


def _add_overrides(
    command: argparse.ArgumentParser, what: str = "override one value of the spec, such as algorithm.pop_size=20"
) -> None:
    command.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH.TO.KEY=VALUE",
        help=f"{what}; can be repeated",
    )


def _add_places(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--run-dir",
        metavar="DIR",
        help="the run directory (default: runs/<name>, of a comparison runs/<name>-comparison)",
    )
    _add_data_and_device(command)


def _add_data_and_device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data-root",
        metavar="DIR",
        help="folder for relative paths in the spec (default: EMOPMS_DATA, or the spec's folder)",
    )
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto, which takes CUDA if available"
    )


def _add_display(command: argparse.ArgumentParser) -> None:
    command.add_argument("--quiet", action="store_true", help="show only warnings and errors")
    command.add_argument("--log-level", choices=LOG_LEVELS, default="info", help="default: info")


def _add_files(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--plugins",
        dest="files",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a Python file with components, as in `plugins` of a spec; can be repeated",
    )
