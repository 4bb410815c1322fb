"""File → `Spec`, or one error that holds every problem with its line and column."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel, ValidationError

from emopms import registry
from emopms.component import Slot
from emopms.errors import PluginError, Problem, SpecError, did_you_mean
from emopms.spec.document import Document
from emopms.spec.model import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from emopms.spec.document import KeyPath

_EXPECTED = {
    "bool": "true or false",
    "dict": "a mapping",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "model": "a mapping",
    "string": "text",
    "tuple": "a list",
}
"""What users call the types in pydantic's error types, such as ``int_type`` and ``int_from_float``."""

_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_CONTEXT = 100
"""Columns of a line that are shown on either side of a caret."""


def load_spec(path: str | PathLike[str]) -> Spec:
    """Read a spec.

    Raises:
        SpecError: The file cannot be read, or what it says is wrong. Holds all problems, in file order.
    """
    document = Document.read(Path(path))
    try:
        spec = Spec.model_validate(document.data)
    except ValidationError as error:
        problems = [_explain(details, document) for details in error.errors(include_url=False)]
        raise SpecError(sorted(problems, key=lambda problem: (problem.line, problem.column))) from error
    spec._document = document
    return spec


def render(error: SpecError) -> str:
    """The error as plain text: place, message, the line with a caret under it, and the remedy."""
    return "\n\n".join("\n".join(_render(problem)) for problem in error.problems)


def _render(problem: Problem) -> Iterator[str]:
    place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
    yield ": ".join(part for part in (place, problem.dotted, problem.message) if part)
    if problem.line and problem.column:
        # Tabs become spaces and long lines lose their ends, so that the caret stands under its character.
        before = _printable(problem.source[: problem.column - 1])[-_CONTEXT:]
        after = _printable(problem.source[problem.column - 1 :])[:_CONTEXT]
        yield f"    {before}{after}".rstrip()
        yield f"    {' ' * sum(map(_width, before))}^"
    if problem.remedy:
        yield f"  {problem.remedy}"


def _printable(text: str) -> str:
    shown = (char if char == "\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return "".join(shown).expandtabs(4)


def _width(char: str) -> int:
    """Columns a character takes on a terminal."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _explain(details: ErrorDetails, document: Document) -> Problem:
    kind, context = details["type"], details.get("ctx", {})
    path, rest = document.follow(details["loc"])
    if kind == "missing":
        path += rest[-1:]
        return document.problem(path, "this key is required.", _describe(path, document))
    if kind == "extra_forbidden":
        key = str(path[-1])
        remedy = did_you_mean(key, _fields(path[:-1], document))
        if ":" in key:
            remedy = f"A space belongs after the colon: `{key.replace(':', ': ', 1)}`."
        return document.problem(path, "there is no such key.", remedy, key=True)
    remedy = context.get("remedy") or _describe(path, document)
    if kind == "string_type" and isinstance(details["input"], int | float):
        remedy = "Put it in quotes."
    return document.problem(path, _message(kind, context, details), remedy)


def _message(kind: str, context: dict[str, Any], details: ErrorDetails) -> str:
    got = _show(details["input"])
    if kind == "invalid":
        return str(context["message"])
    if kind == "value_error":  # raised by a component's own validator
        return f"{context['error']}"
    if kind == "literal_error":
        return f"expected {context['expected']}, got {got}."
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"expected {words} {context[name]:g}, got {got}."
    if kind == "too_short":
        return f"expected at least {context['min_length']} item(s), got {context['actual_length']}."
    if kind == "string_pattern_mismatch":
        return f"{got} is not of the expected form."
    expected = _EXPECTED.get(kind.split("_")[0]) if kind.endswith(("_type", "_from_float")) else None
    return f"expected {expected}, got {got}." if expected else f"{details['msg']}; got {got}."


def _show(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else f"the text {value[:59] + '…'!r}"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def _describe(path: KeyPath, document: Document) -> str:
    """What the docstring of the field at a path says, or of the list of which it is an item."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    field = _fields(path[:-1], document).get(str(path[-1])) if path else None
    return " ".join(field.description.split()) if field and field.description else ""


def _fields(path: KeyPath, document: Document) -> dict[str, FieldInfo]:
    """All fields, by the key to write, of the models that may stand at a path of the document."""
    hint: Any = Spec
    value: Any = document.data
    for step in path:
        # Steps into lists and mappings that are no models change nothing: `_models` looks through them.
        if field := _keys(hint, value).get(str(step)):
            hint = Annotated[field.annotation, *field.metadata, None]
        value = value[step]
    return _keys(hint, value)


def _keys(hint: Any, value: Any) -> dict[str, FieldInfo]:
    return {field.alias or name: field for model in _models(hint, value) for name, field in model.model_fields.items()}


def _models(hint: Any, value: Any) -> Iterator[type[BaseModel]]:
    """The models that a value with this type hint may be read as."""
    slot = next((item for item in get_args(hint) if isinstance(item, Slot)), None)
    if slot:
        name = value.get("name") if isinstance(value, dict) else value
        if isinstance(name, str):
            with suppress(PluginError):
                yield registry.find(slot.slot, name)
    elif isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    else:
        for part in get_args(hint):
            yield from _models(part, value)
