"""The catalogue of components and their parameters. The command line and the documentation show it."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import to_jsonable_python

from emopms import registry
from emopms.api import Cost, Objective
from emopms.component import Component, Settings
from emopms.errors import PluginError
from emopms.plugin_file import reason
from emopms.spec.model import SLOT_FIELDS, Spec
from emopms.spec.scalars import dump

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}
_TYPES = {
    "boolean": "true or false",
    "integer": "whole number",
    "null": "nothing",
    "number": "number",
    "object": "mapping",
    "string": "text",
}


@dataclass(frozen=True)
class Entry:
    """A component in the catalogue, which is found by its slot and name."""

    slot: str
    name: str
    origins: tuple[registry.Origin, ...]
    """The distributions or files that define the name. A component that can be used has exactly one origin."""
    component: type[Component] | None
    """The component's class, or None if the component cannot be used."""
    error: PluginError | None
    """The reason why the component cannot be used, or None if it can be used."""

    @property
    def path(self) -> str:
        """Slot and name, such as ``objective/macs``."""
        return f"{self.slot}/{self.name}"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a component, or a key of a spec that holds no component."""

    name: str
    type: str
    """The type in words, such as ``whole number, at least 1``."""
    default: str
    """The default as YAML. It is empty if the parameter is required."""
    description: str


def catalog(files: registry.Files = ()) -> list[Entry]:
    """Import all installed components and the components in ``files``, and return their entries.

    The entries are in the order of slots and names.
    """
    return [entry(slot, name, files) for slot in registry.SLOTS for name in registry.names(slot, files)]


def entry(slot: str, name: str, files: registry.Files = ()) -> Entry:
    """Return the catalogue entry of one component.

    Raises:
        UnknownComponentError: No component of the slot has this name.
    """
    origins = tuple(registry.origins(slot, name, files))
    try:
        component: type[Component] = registry.find(slot, name, files)
        json.dumps(component.model_json_schema(), allow_nan=False)
    except registry.UnknownComponentError:
        raise
    except PluginError as error:
        return Entry(slot, name, origins, None, error)
    except (PydanticUserError, TypeError, ValueError) as error:
        message = f"{slot} {name!r} of {origins[0]} has a parameter that cannot be described: {reason(error)}"
        return Entry(slot, name, origins, None, PluginError(message, remedy="This is a defect of that component."))
    return Entry(slot, name, origins, component, None)


def description(settings: type[Settings]) -> str:
    """Return the docstring of a component class, or of another class of settings, without indentation."""
    return inspect.cleandoc(settings.__doc__ or "")


def summary(component: type[Component]) -> str:
    """Return the first paragraph of a component class's docstring on one line."""
    return " ".join(description(component).split("\n\n")[0].split())


def groups() -> dict[str, type[Settings]]:
    """Return the keys of a spec that hold settings of their own, such as ``finetune``, with the class of these
    settings."""
    kinds = {key: (field.annotation, *get_args(field.annotation)) for key, field in Spec.model_fields.items()}
    return {
        key: kind
        for key, found in kinds.items()
        for kind in found
        if isinstance(kind, type) and issubclass(kind, Settings) and key not in SLOT_FIELDS
    }


def plain_keys() -> list[Parameter]:
    """Return the keys of a spec that hold a single value or a list of values, such as ``points``."""
    return _parameters(Spec, [key for key in Spec.model_fields if key not in SLOT_FIELDS and key not in groups()])


def parameters(settings: type[Settings]) -> list[Parameter]:
    """Return all parameters of a component except ``name``, or all keys of a group of settings.

    Required parameters come first. Then the parameters of the class come before inherited parameters.
    """
    own = set(vars(settings).get("__annotations__", {}))
    names = [name for name in settings.model_fields if name != "name" or not issubclass(settings, Component)]
    names.sort(key=lambda name: (not settings.model_fields[name].is_required(), name not in own))
    return _parameters(settings, names)


def _parameters(settings: type[Settings], names: Sequence[str]) -> list[Parameter]:
    schema = settings.model_json_schema()
    return [
        Parameter(
            name,
            _type_in_words(schema["properties"][name], schema.get("$defs", {})),
            "" if field.is_required() else _inline(_plain(field.get_default(call_default_factory=True))),
            " ".join((field.description or "").split()),
        )
        for name, field in ((name, settings.model_fields[name]) for name in names)
    ]


def example(component: type[Component]) -> str:
    """Return the lines of a spec, as YAML, that use the component and show its parameters.

    The text is empty if a required field has no ``Field(examples=[…])``.

    Raises:
        PluginError: The examples of the fields are not valid.
    """
    required = {name: field.examples for name, field in component.model_fields.items() if field.is_required()}
    if not all(required.values()):
        return ""
    try:
        made = component.model_validate({name: examples[0] for name, examples in required.items() if examples})
    except ValidationError as error:
        raise PluginError(f"The examples in {component.__qualname__} are not valid: {reason(error)}") from error
    written = made.model_dump(mode="json")
    written = {name: value for name, value in written.items() if value not in (None, {})}
    key, many = next((key, many) for key, (slot, many) in SLOT_FIELDS.items() if slot.slot == component.slot)
    return dump({key: [*_required_neighbours(component), written] if many else written}, flow=None).rstrip()


def _required_neighbours(component: type[Component]) -> list[str]:
    """Return the components that a valid spec must hold in the same list as the given component."""
    if issubclass(component, Objective):
        return ["capability" if issubclass(component, Cost) else "macs"]
    return (
        ["safetensors"]
        if component.slot == "exporter" and component.model_fields["name"].default != "safetensors"
        else []
    )


def _plain(value: object) -> object:
    return to_jsonable_python(value, fallback=str)


def _inline(value: object) -> str:
    return dump({"v": value}, flow=True).strip()[len("{v: ") : -1]


def _type_in_words(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Describe the values that a JSON Schema accepts."""
    if "$ref" in schema:
        return _type_in_words(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if "anyOf" in schema:
        return " or ".join(_type_in_words(choice, definitions) for choice in schema["anyOf"])
    if "const" in schema:
        return _inline(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(_inline(value) for value in schema["enum"])
    if schema.get("type") == "array":
        items = schema.get("prefixItems", [schema.get("items", {})])
        text = "; ".join(dict.fromkeys(_type_in_words(item, definitions) for item in items))
        if "prefixItems" in schema:
            return f"list of {len(items)}: {text}"
        return f"list of {text}" if "," not in text else f"list of: {text}"
    words = [_TYPES.get(schema.get("type", ""), "anything")]
    words += [f"{bound} {schema[key]}" for key, bound in _BOUNDS.items() if key in schema]
    return ", ".join(words)
