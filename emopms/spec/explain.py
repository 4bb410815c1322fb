"""Translates pydantic's validation errors into problems that authors of specs understand."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import BaseModel

from emopms import registry
from emopms.component import Slot
from emopms.errors import PluginError, Problem, did_you_mean
from emopms.spec.compose import EXTENDS
from emopms.spec.model import Spec

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from emopms.registry import Files
    from emopms.spec.document import Document, KeyPath

_EXPECTED = {
    "bool": "true or false",
    "dict": "a mapping",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "model": "a mapping",
    "path": "a path",
    "string": "text",
    "tuple": "a list",
}
"""Descriptions of the types in pydantic's error types, such as ``int_type`` and ``int_from_float``."""

_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def explain(details: ErrorDetails, document: Document, files: Files) -> Problem:
    """Translate one of pydantic's errors into a problem with its position and a remedy.

    Args:
        details: pydantic's error.
        document: The document that was validated.
        files: The Python files with components that the spec lists.
    """
    kind, context = details["type"], details.get("ctx", {})
    path, rest = document.follow(details["loc"])
    if kind == "missing":
        path += rest[-1:]
        return document.problem(path, "this key is required.", _describe(path, document, files))
    if kind == "extra_forbidden":
        key = str(path[-1])
        known = set(_fields(path[:-1], document, files)) | ({EXTENDS} if len(path) == 1 and document.file else set())
        remedy = did_you_mean(key, known)
        if ":" in key:
            remedy = f"Write a space after the colon: `{key.replace(':', ': ', 1)}`."
        return document.problem(path, "there is no such key.", remedy, key=True)
    remedy = context.get("remedy") or _describe(path, document, files)
    if kind in ("value_error", "assertion_error") and path and isinstance(path[-1], int):
        remedy = ""  # an item as a whole is wrong: the description of the list does not help
    if isinstance(details["input"], str) and (other := _similar_key(path, kind, document, files)):
        remedy += f" For a name, use `{other}`."
    if kind in ("string_type", "path_type") and isinstance(details["input"], int | float):
        remedy = "Put it in quotes."
    return document.problem(path, _message(kind, context, details), remedy)


def _similar_key(path: KeyPath, kind: str, document: Document, files: Files) -> str:
    """Return the key for a name where a number was expected, such as ``validation_folder`` for ``validation``; empty if
    there is none."""
    if kind not in ("int_type", "float_type") or not path:
        return ""
    keys = _fields(path[:-1], document, files)
    return next((key for key in keys if key.startswith(f"{path[-1]}_")), "")


def _message(kind: str, context: dict[str, Any], details: ErrorDetails) -> str:
    got = _show(details["input"])
    if "message" in context:  # from `emopms.component.invalid`
        return str(context["message"])
    if kind == "value_error":  # raised by a component's own validator
        return f"{context['error']}"
    if kind == "literal_error":
        return f"expected {context['expected']}, got {got}."
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"expected {words} {_bound(context[name])}, got {got}."
    if kind == "too_short":
        return f"expected at least {context['min_length']} item(s), got {context['actual_length']}."
    if kind == "string_pattern_mismatch":
        return f"{got} is not of the expected form."
    expected = _EXPECTED.get(kind.split("_")[0]) if kind.endswith(("_type", "_from_float")) else None
    return f"expected {expected}, got {got}." if expected else f"{details['msg']}; got {got}."


def _bound(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)  # pydantic gives the bound of a date as text


def _show(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else f"the text {value[:59] + '…'!r}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, Mapping):
        return "a mapping"
    kind = type(value)  # only in Python, not in a file
    return f"a value of the type {kind.__module__}.{kind.__qualname__}".replace(" builtins.", " ")


def _describe(path: KeyPath, document: Document, files: Files) -> str:
    """Return the description of the field at a path. For an item of a list, this is the description of the list."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    field = _fields(path[:-1], document, files).get(str(path[-1])) if path else None
    return " ".join(field.description.split()) if field and field.description else ""


def _fields(path: KeyPath, document: Document, files: Files) -> dict[str, FieldInfo]:
    """Return all fields of the models that are possible at a path of the document."""
    hint: Any = Spec
    value: Any = document.data
    for step in path:
        # A step into a list or a plain mapping does not change the type hint, because `_models` searches nested hints.
        for model in _models(hint, value, files):
            if field := model.model_fields.get(str(step)):
                hint = Annotated[field.annotation, *field.metadata, None]
        value = value[step]
    return {name: field for model in _models(hint, value, files) for name, field in model.model_fields.items()}


def _models(hint: Any, value: Any, files: Files) -> list[type[BaseModel]]:
    """Return the models that may validate a value with this type hint."""
    slot = next((item for item in get_args(hint) if isinstance(item, Slot)), None)
    if slot:
        wide = slot.widen(value)
        with suppress(PluginError):
            if isinstance(wide, dict) and isinstance(wide.get("name"), str):
                return [registry.find(slot.slot, wide["name"], files)]
        return []
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [hint]
    return [model for part in get_args(hint) for model in _models(part, value, files)]
