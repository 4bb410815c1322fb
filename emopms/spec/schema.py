"""The JSON Schema of specs. Editors use it to check specs and to show the documentation of parameters.

The schema is written for Draft 7, which yaml-language-server reads. It accepts every spec with the given components
that `load_spec` accepts. Only `load_spec` finds errors that depend on several values or on a component's own
validators.
"""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

from emopms.spec.compose import EXTENDS
from emopms.spec.model import SLOT_FIELDS, Spec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emopms.component import Component, Settings, Slot


def json_schema(components: Iterable[type[Component]]) -> dict[str, Any]:
    """Return the JSON Schema of the specs that use the given components.

    Args:
        components: The component classes.
    """
    by_slot: dict[str, list[type[Component]]] = {}
    for component in components:
        by_slot.setdefault(component.slot, []).append(component)
    definitions: dict[str, Any] = {}
    spec = _schema_of(Spec, "spec", definitions)
    spec["properties"][EXTENDS] = {
        "type": "string",
        "minLength": 1,
        "description": "Path of another spec, relative to this file. This spec overrides it: mappings are merged, "
        "other values are replaced.",
    }
    for slot, _ in SLOT_FIELDS.values():
        alternatives = [
            way for component in by_slot.get(slot.slot, []) for way in _alternatives(component, slot, definitions)
        ]
        definitions[slot.slot] = {"anyOf": alternatives or [{"not": {}}]}
    definitions["spec"] = spec
    variations = {f"variation.{name}": _without_required_keys(definition) for name, definition in definitions.items()}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "emopms spec",
        "type": "object",
        "if": {"required": [EXTENDS]},
        "then": {"$ref": "#/definitions/variation.spec"},
        "else": {"$ref": "#/definitions/spec"},
        "definitions": definitions | variations,
    }


def _schema_of(model: type[Settings], name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a model's schema. Nested models become definitions whose names start with ``name``."""
    schema = model.model_json_schema(ref_template=f"#/definitions/{name}.{{model}}")
    for inner, definition in schema.pop("$defs", {}).items():
        definitions[f"{name}.{inner}"] = _tidy(definition)
    tidy: dict[str, Any] = _tidy(schema)
    return tidy


def _alternatives(component: type[Component], slot: Slot, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the schemas of all ways to write one component: a bare name, a bare list and a mapping."""
    name = component.model_fields["name"].default
    key = f"{slot.slot}.{name}"
    schema = _schema_of(component, key, definitions)
    required = schema.pop("required", [])
    schema["properties"]["name"]["description"] = schema.get("description", "")
    alternatives: list[dict[str, Any]] = []
    if not required:
        alternatives.append({"const": name, "description": schema.get("description", "")})
    if slot.default == name and slot.bare_list:
        alternatives.append(schema["properties"][slot.bare_list])
    schema["required"] = required if slot.default == name else ["name", *required]
    definitions[key] = schema
    return [*alternatives, {"$ref": f"#/definitions/{key}"}]


def _tidy(schema: Any) -> Any:
    """Replace the schemas of components by references to slots. Remove the titles that pydantic makes from names."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidy(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    if slot := tidy.pop("x-slot", None):
        tidy["$ref"] = f"#/definitions/{slot}"
    if "prefixItems" in tidy:  # Draft 7 calls this `items`
        tidy["items"] = tidy.pop("prefixItems")
    if isinstance(text := tidy.get("description"), str):
        tidy["description"] = inspect.cleandoc(text)
    return tidy


def _without_required_keys(schema: Any) -> Any:
    """Return the schema of a spec that extends another file.

    No key is required in such a spec, because the other file may contain the key.
    """
    text = json.dumps(schema).replace('"#/definitions/', '"#/definitions/variation.')
    return json.loads(text, object_hook=lambda value: _without_required(value))


def _without_required(schema: dict[str, Any]) -> dict[str, Any]:
    # A parameter may also have the name `required`; its value is then a schema, not a list.
    return {key: value for key, value in schema.items() if not (key == "required" and isinstance(value, list))}
