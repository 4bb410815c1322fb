"""The ``emopms`` command. Heavy packages are imported only when a subcommand needs them."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from emopms.cli.output import tell, usable_streams
from emopms.cli.parser import parse
from emopms.cli.signals import Ending
from emopms.errors import EmopmsError, SpecError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0 for success, 1 if the output of a command cannot be written, 2 for a wrong spec or component,
        3 for a run that cannot continue, 129 after SIGHUP, 130 after SIGINT, 141 after a closed pipe, 143 after
        SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that the terminal cannot show must not raise an error
            stream.reconfigure(errors="backslashreplace")
    with usable_streams(), Ending() as ending:
        try:
            arguments = parse(sys.argv[1:] if argv is None else argv)
            _require_current_folder()
            import_module(f"emopms.cli.{arguments.command}").command(arguments)
        except BaseException as error:
            # A library may have turned the signal's exception into another one.
            if ending.signal is not None or isinstance(error, KeyboardInterrupt):
                return ending.leave()
            if isinstance(error, EmopmsError):
                tell(explain(error))
                return error.exit_code
            if isinstance(error, BrokenPipeError):  # as in `emopms schema | head`
                return 141
            raise
    return 0


def _require_current_folder() -> None:
    """Refuse to work in a folder that was removed. The import of torch would end the process there, without a message
    that helps.

    Raises:
        StoreError: The current folder does not exist any more, or cannot be reached.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise StoreError(
            f"The current folder cannot be used: {error.strerror}. Was it removed?",
            remedy="Go to a folder that exists (cd), and give the command again.",
        ) from error


def explain(error: EmopmsError) -> str:
    """Return the text of an error: its message and its remedy."""
    if isinstance(error, SpecError):
        from emopms.spec import render

        return render(error)
    return f"error: {error.message}" + (f"\n  {error.remedy}" if error.remedy else "")
