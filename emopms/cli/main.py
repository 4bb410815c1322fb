"""The ``emopms`` command. Heavy imports wait until a subcommand needs them."""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from emopms.cli.parser import parse
from emopms.cli.signals import Ending
from emopms.errors import EmopmsError, SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 2 for a wrong spec, 3 for a run that cannot go on, 130 and 143
    when SIGINT or SIGTERM ended it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name or an ASCII terminal must not end in a traceback
            stream.reconfigure(errors="backslashreplace")
    arguments = parse(sys.argv[1:] if argv is None else argv)
    with Ending() as ending:
        try:
            import_module(f"emopms.cli.{arguments.command}").command(arguments)
            sys.stdout.flush()
        except BaseException as error:
            if ending.signal is not None or isinstance(error, KeyboardInterrupt):  # whatever was made of the signal
                return ending.leave()
            if isinstance(error, EmopmsError):
                print(explain(error), file=sys.stderr)  # noqa: T201
                return error.exit_code
            if isinstance(error, BrokenPipeError):  # as in `emopms schema | head`
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try again at the end
                return 141
            raise
    return 0


def explain(error: EmopmsError) -> str:
    """What is wrong, and what to do about it."""
    if isinstance(error, SpecError):
        from emopms.spec import render

        return render(error)
    return f"error: {error.message}" + (f"\n  {error.remedy}" if error.remedy else "")
