"""Writes the texts of a command to standard output and standard error.

Other modules of the command line do not print. The functions here escape control characters, so that a file name, a
value of a spec or the name of a class cannot move the cursor, change colours or hide a line.
"""

from __future__ import annotations

import os
import sys
import textwrap
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from emopms.errors import EmopmsError

if TYPE_CHECKING:
    from collections.abc import Iterator


_NARROWEST: Final = 30
"""Least number of columns for text behind a table's other columns."""


class OutputError(EmopmsError):
    """Nothing can be written to standard output, because it is closed or full."""

    exit_code = 1


@contextmanager
def usable_streams() -> Iterator[None]:
    """Let the body of the ``with`` statement write to standard output and standard error, even if these are unusable.

    A stream is unusable if it is closed or full. Other code that writes to these streams, such as a plugin, gets no
    error: a text that cannot be written is lost. If a text cannot be written, `show` raises an error, but `tell` does
    not.
    """
    before = sys.stdout, sys.stderr
    _occupy_closed_numbers()
    sys.stdout, sys.stderr = (_Lenient(stream) for stream in (sys.stdout, sys.stderr))
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            _settle(stream)
        if all(stream is not None for stream in before):
            sys.stdout, sys.stderr = before


def show(text: str) -> None:
    """Write lines to standard output, with control characters escaped.

    Raises:
        BrokenPipeError: The program that reads the output has ended, as in ``emopms plugins | head``.
        OutputError: Standard output is closed or full.
    """
    show_escaped(printable_lines(text) + "\n")


def show_escaped(text: str) -> None:
    """Write a text to standard output without escaping its control characters.

    Raises:
        BrokenPipeError: The program that reads the output has ended.
        OutputError: Standard output is closed or full.
    """
    stream = _strict(sys.stdout)
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:  # ValueError: somebody has closed the stream
        why = getattr(error, "strerror", None) or error
        raise OutputError(f"Standard output cannot be written: {why}.") from error


def tell(text: str) -> None:
    """Write lines to standard error, with control characters escaped. If they cannot be written, they are lost.

    On a terminal, lines are broken at words. Lines that begin with four spaces are quotes from files, and stay whole.
    """
    lines = [line if line.startswith("    ") else fill(line, sys.stderr) for line in printable_lines(text).split("\n")]
    with suppress(OSError, ValueError, AttributeError):  # AttributeError: there is no standard error
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()


def fill(line: str, stream: Any, *, hang: int | None = None) -> str:
    """Break a line at words, so that it fits on the terminal. If the stream is no terminal, the line stays whole.

    Args:
        line: The line. A word or path that is longer than a line of the terminal stays whole.
        stream: The stream to which the line will be written.
        hang: Number of spaces before the continuation; by default as many as the line begins with. If they would leave
            fewer than 30 columns, there are four.
    """
    width = _width(stream)
    if width is None or len(line) <= width:
        return line
    if hang is None:
        hang = len(line) - len(line.lstrip())
    elif width - hang < _NARROWEST:
        hang = 4
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * hang,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def _width(stream: Any) -> int | None:
    """Return the number of columns of a terminal; None if the stream is none."""
    with suppress(OSError, ValueError, AttributeError):
        if stream.isatty():
            return os.get_terminal_size(stream.fileno()).columns or None
    return None


def printable(text: object) -> str:
    """Return a text on one line, with control characters escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text))


def printable_lines(text: str) -> str:
    """Return a text with the control characters of its lines escaped."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


class _Lenient:
    """A stream that raises no error if a text cannot be written. The text is lost."""

    def __init__(self, stream: Any) -> None:
        self.strict = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self.strict.write(text)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self.strict.flush()

    def close(self) -> None:
        """Leave the stream open, because it belongs to the command and not to the plugin that closes it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.strict, name)


def _strict(stream: Any) -> Any:
    return stream.strict if isinstance(stream, _Lenient) else stream


def _occupy_closed_numbers() -> None:
    """Open the standard streams that the shell closed, as ``>&-`` does.

    Otherwise a file that is opened later would get the file descriptor of a closed stream, and printed texts would go
    into that file. Standard output is opened for reading, so that writing to it is still an error.
    """
    for number, name, mode in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is not None:
            continue
        with suppress(OSError):
            os.fstat(number)
            continue  # another file has this descriptor already
        opened = os.open(os.devnull, mode)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def _settle(stream: Any) -> None:
    """Write the text that is still in a stream's buffer.

    If the text cannot be written, it is dropped. Otherwise Python would try again at its exit, and end with an error.
    """
    stream = _strict(stream)
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            stream.flush()
