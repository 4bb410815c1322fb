"""The error tree. Exceptions carry data; only the command line turns them into text and exit codes."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class EmopmsError(Exception):
    """Anything emopms reports on purpose: what is wrong, and what to do about it.

    Args:
        message: One or two sentences that say what is wrong and with which value.
        remedy: What the user can do. May be empty where the message already says it.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a spec, at a key path such as ``("targets", 0, "macs")``."""

    path: tuple[str | int, ...]
    message: str
    remedy: str = ""
    line: int | None = None
    """Line, from 1; None where the spec did not come from a file."""
    column: int | None = None
    """Column, from 1."""
    file: str = ""
    source: str = ""
    """The text of that line."""

    @property
    def dotted(self) -> str:
        """The path as users write it: ``targets[0].macs``."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        return text


class SpecError(EmopmsError):
    """The spec is wrong. Holds every problem found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{p.dotted}: {p.message}" if p.path else p.message for p in problems))
        self.problems = tuple(problems)


class PluginError(EmopmsError):
    """A component exists by name but cannot be used: broken, missing or claimed twice."""

    exit_code = 2


class ComponentError(EmopmsError):
    """A component failed at its work."""


class NetworkError(EmopmsError):
    """The network cannot be traced, divided or pruned as asked."""


class WeightsError(EmopmsError):
    """A weights file does not fit the network, or is not a weights file."""


class DataError(EmopmsError):
    """The data are missing, unreadable or not what the spec says."""


class RunError(EmopmsError):
    """A run cannot go on."""


class StoreError(EmopmsError):
    """A stored artefact is missing, damaged or locked by another process."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known word and everything there is."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    shown = ", ".join(names[:40]) + (f", … ({len(names)} in all)" if len(names) > 40 else "")
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}There is: {shown or 'nothing'}."
