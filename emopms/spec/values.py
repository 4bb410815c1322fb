"""Reads a spec that is given as Python values instead of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from emopms.errors import Problem
from emopms.spec.document import Document, Position, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emopms.spec.document import KeyPath

_NOWHERE: Final = Position((1, 1), (1, 1), Text("", ("",)))


class Values(Document):
    """A spec that is given as Python values. Its problems have no line and column, because there is no file."""

    @classmethod
    def of(cls, data: dict[str, Any]) -> Values:
        """Return a document of plain values and components."""
        return cls("", data, dict.fromkeys(_paths(data, ()), _NOWHERE))

    def problem(self, path: Iterable[str | int], message: str, remedy: str = "", *, key: bool = False) -> Problem:
        """Return a problem of the value at a path."""
        return Problem(tuple(path), message, remedy)


def _paths(value: object, path: KeyPath) -> Iterator[KeyPath]:
    """Yield the paths of a value and of all values inside it. The parameters of components are left out."""
    yield path
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*path, index))
