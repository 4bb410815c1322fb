"""The ``emopms`` command. Heavy packages are imported only when a subcommand needs them."""

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
    """Run the command line.

    Returns:
        The exit code: 0 for success, 2 for a wrong spec or component, 3 for a run that cannot continue, 130 after
        SIGINT, 141 after a closed pipe, 143 after SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that the terminal cannot show must not raise an error
            stream.reconfigure(errors="backslashreplace")
    arguments = parse(sys.argv[1:] if argv is None else argv)
    with Ending() as ending:
        try:
            import_module(f"emopms.cli.{arguments.command}").command(arguments)
            sys.stdout.flush()
        except BaseException as error:
            # A library may have turned the signal's exception into another one.
            if ending.signal is not None or isinstance(error, KeyboardInterrupt):
                return ending.leave()
            if isinstance(error, EmopmsError):
                print(explain(error), file=sys.stderr)  # noqa: T201
                return error.exit_code
            if isinstance(error, BrokenPipeError):  # as in `emopms schema | head`
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes stdout again at exit
                return 141
            raise
    return 0


def explain(error: EmopmsError) -> str:
    """Return the text of an error: its message and its remedy."""
    if isinstance(error, SpecError):
        from emopms.spec import render

        return render(error)
    return f"error: {error.message}" + (f"\n  {error.remedy}" if error.remedy else "")
