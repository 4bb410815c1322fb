"""The exception classes. An exception holds data. Only the command line converts exceptions to text and exit codes."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class ShortHelp(type):
    """A metaclass for exceptions: `help` and `dir` show only the names that a class adds to those of `Exception`."""

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if not name.startswith("__") and not hasattr(Exception, name)]


class EmopmsError(Exception, metaclass=ShortHelp):
    """Base class of all errors that emopms reports on purpose.

    Args:
        message: One or two sentences that say what is wrong and with which value.
        remedy: What the user can do. Empty if the message already says it.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message}\n{remedy}" if remedy else message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True)
class Problem:
    """One problem of a spec, at a key path such as ``("targets", 0, "macs")``."""

    path: tuple[str | int, ...]
    message: str
    remedy: str = ""
    line: int | None = None
    """Line, counted from 1; None if the spec was not read from a file."""
    column: int | None = None
    """Column, counted from 1."""
    file: str = ""
    source: str = ""
    """The text of the line ``line``."""

    @property
    def dotted(self) -> str:
        """The path as users write it, such as ``targets[0].macs``."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        return text

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line is not None else ""
        text = f"{self.dotted}: {self.message}" if self.path else self.message
        return f"{place}{text}\n{self.remedy}" if self.remedy else f"{place}{text}"


class SpecError(EmopmsError):
    """The spec is wrong. ``problems`` holds all problems found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class CommandError(EmopmsError):
    """The command line does not say what to do, or says two things at once."""

    exit_code = 2


class PluginError(EmopmsError):
    """A component cannot be used: it is missing or broken, or two plugins define it."""

    exit_code = 2


class ComponentError(EmopmsError):
    """A method of a component failed or returned an invalid value."""


class NetworkError(EmopmsError):
    """The network cannot be traced, divided or pruned as the spec demands."""


class WeightsError(EmopmsError):
    """A weights file does not fit the network, or is not a weights file."""


class DataError(EmopmsError):
    """The data are missing or unreadable, or differ from what the spec says."""


class RunError(EmopmsError):
    """A run cannot continue."""


class UnmetTargetError(RunError):
    """No scheme that a search found meets a target."""


class StoreError(EmopmsError):
    """A file that a run has stored is missing, damaged or locked by another process."""


def with_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, all errors that caused it or were being handled, and the members of groups, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        members = found.exceptions if isinstance(found, BaseExceptionGroup) else ()
        waiting += [each for each in (*members, found.__context__, found.__cause__) if each is not None]


def text_of(error: BaseException) -> str:
    """Return the message of an error; empty if its own ``__str__`` fails."""
    try:
        return str(error)
    except Exception:
        return ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests the most similar known word and lists all known words."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    shown = ", ".join(names[:40]) + (f", … ({len(names)} in all)" if len(names) > 40 else "")
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Available: {shown or 'none'}."
