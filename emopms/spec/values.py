"""Reads a spec that is given as Python values instead of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from emopms.errors import Problem, SpecError
from emopms.spec.document import MAX_DEPTH, MAX_NODES, Document, Position, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emopms.spec.document import KeyPath

_NOWHERE: Final = Position((1, 1), (1, 1), Text("", ("",)))


class Values(Document):
    """A spec that is given as Python values. Its problems have no line and column, because there is no file."""

    @classmethod
    def of(cls, data: dict[str, Any]) -> Values:
        """Return a document of plain values and components."""
        return cls("", data, dict.fromkeys((path for path, _ in _walk(data, ())), _NOWHERE))

    def problem(self, path: Iterable[str | int], message: str, remedy: str = "", *, key: bool = False) -> Problem:
        """Return a problem of the value at a path."""
        return Problem(tuple(path), message, remedy)


def require_plain(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the values of a spec as a dictionary, if they are within the limits that hold for files.

    Raises:
        SpecError: A key is not text, there are too many values, or they are nested too deeply, for instance because a
            list contains itself.
    """
    for count, (path, value) in enumerate(_walk(values, ())):
        if len(path) > MAX_DEPTH:
            _refuse(path[:1], f"values are nested more than {MAX_DEPTH} deep.", "Does one contain itself?")
        if count > MAX_NODES:
            _refuse((), f"there are more than {MAX_NODES} values.", "Is this a spec?")
        for key in value if isinstance(value, Mapping) else ():
            if not isinstance(key, str):
                _refuse(path, f"the key {key!r} is not text.", "Write it as text.")
    return dict(values)


def _refuse(path: KeyPath, message: str, remedy: str) -> NoReturn:
    raise SpecError([Problem(path, message, remedy)])


def _walk(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    """Yield the paths of a value and of all values inside it, with these values. The parameters of components are left
    out."""
    yield path, value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk(inner, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for index, inner in enumerate(value):
            yield from _walk(inner, (*path, index))
