"""The ``emopms`` command. Heavy imports wait until a subcommand needs them."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from emopms import __version__
from emopms.errors import EmopmsError, SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG_LEVELS = ("debug", "info", "warning", "error")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 2 for a wrong spec, 3 for a run that cannot go on."""
    arguments = _parser().parse_args(argv)
    try:
        from emopms.cli.run import run_command

        run_command(arguments)
    except SpecError as error:
        from emopms.spec import render

        print(render(error), file=sys.stderr)  # noqa: T201
        return error.exit_code
    except EmopmsError as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201
        if error.remedy:
            print(f"  {error.remedy}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)  # noqa: T201
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emopms", description="Make PyTorch networks smaller, with the whole trade-off in view."
    )
    parser.add_argument("--version", action="version", version=f"emopms {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="prune a network as a spec says")
    run.add_argument("spec", help="the spec, a YAML file")
    run.add_argument("--run-dir", metavar="DIR", help="where to write (default: runs/<name>)")
    run.add_argument(
        "--data-root",
        metavar="DIR",
        help="where relative paths in the spec start (default: EMOPMS_DATA, or the spec's folder)",
    )
    run.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="default: auto, CUDA where there is one",
    )
    run.add_argument("--quiet", action="store_true", help="show only warnings and errors")
    run.add_argument("--log-level", choices=LOG_LEVELS, default="info", help="default: info")
    return parser
