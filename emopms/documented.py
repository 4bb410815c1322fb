"""Shows the docstrings below the fields of a dataclass in `help`, which Python itself drops."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Class = TypeVar("Class", bound=type)


def documented(dataclass: Class) -> Class:
    """Add the docstrings of a dataclass's fields, its inherited ones too, to its own docstring.

    The source is read when somebody asks for the docstring, so that the import of the class stays quick.
    """
    setattr(dataclass, "__doc__", _Docstring(dataclass.__doc__ or ""))  # noqa: B010  (mypy: it is no str)
    return dataclass


class _Docstring:
    """A docstring that is put together when it is read."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __get__(self, instance: object, owner: type) -> str:
        fields: dict[str, list[str]] = {}
        for base in reversed(owner.__mro__):
            fields.update(_fields(base))
        if not fields:
            return self._text
        parts = [inspect.cleandoc(self._text), "Fields:"]
        return "\n".join([f"{parts[0]}\n", parts[1], *(line for field in fields.values() for line in field)])


def _fields(owner: type) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each field that a class annotates, and its lines in `help`."""
    if "__annotations__" not in vars(owner):
        return
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    except (OSError, TypeError, SyntaxError):  # the source is not there
        return
    body = getattr(tree, "body", [])
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        lines = [f"    {statement.target.id}: {ast.unparse(statement.annotation)}"]
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            lines.append(textwrap.indent(inspect.cleandoc(str(following.value.value)), " " * 8))
        yield statement.target.id, lines
