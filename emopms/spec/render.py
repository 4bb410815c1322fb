"""Problems of a spec as text: place, message, the line with a caret under it, and the remedy."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emopms.errors import Problem, SpecError

_CONTEXT = 100
"""Columns of a line that are shown on either side of a caret."""
_LONGEST = 1000
"""Characters of a message that are shown; it may quote whatever stands in the file."""


def render(error: SpecError) -> str:
    """The error as plain text: place, message, the line with a caret under it, and the remedy."""
    return "\n\n".join("\n".join(_render(problem)) for problem in error.problems)


def _render(problem: Problem) -> Iterator[str]:
    place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
    yield _cut(": ".join(part for part in (place, problem.dotted, problem.message) if part))
    if problem.line and problem.column:
        # Tabs become spaces and long lines lose their ends, so that the caret stands under its character.
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
    """Columns a character takes on a terminal."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
