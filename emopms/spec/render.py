"""Formats the problems of a spec for the terminal."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emopms.errors import Problem, SpecError

_CONTEXT = 100
"""Number of columns of a long line that are shown on each side of the caret, which points at a problem."""
_LONGEST = 1000
"""Largest number of characters shown of a message, which may quote long values."""


def render(error: SpecError) -> str:
    """Return the error as plain text: position, message, the line with a caret under it, and the remedy."""
    return "\n\n".join("\n".join(_render(problem)) for problem in error.problems)


def _render(problem: Problem) -> Iterator[str]:
    place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
    yield _cut(": ".join(part for part in (place, problem.dotted, problem.message) if part))
    if problem.line and problem.column:
        # Tabs become spaces and long lines are cut, so that the caret is under its character.
        start = problem.column - 1
        before = _printable(problem.source[max(0, start - _CONTEXT) : start])[-_CONTEXT:]
        after = _printable(problem.source[start : start + _CONTEXT])[:_CONTEXT]
        yield f"    {before}{after}".rstrip()
        yield f"    {' ' * sum(map(_width, before))}^"
    if problem.remedy:
        yield f"  {_cut(problem.remedy)}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _printable(text: str) -> str:
    shown = (char if char == "\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return "".join(shown).expandtabs(4)


def _width(char: str) -> int:
    """Return the number of columns of a character on a terminal."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
