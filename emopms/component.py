"""The base class of components, and the type of the spec fields that hold components.

A component holds settings and nothing else. It cannot be changed, is hashable and cheap to construct, and is validated
before a run starts. A component's methods return objects with state (a module, an algorithm in progress). They never
store such an object in the component.
"""

from __future__ import annotations

import json
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from emopms import registry
from emopms.errors import PluginError, did_you_mean
from emopms.plugin_file import reason

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic._internal._model_construction import ModelMetaclass
    from pydantic.json_schema import JsonSchemaValue
else:
    ModelMetaclass = type(BaseModel)


class SettingsType(ModelMetaclass):
    """The metaclass of `Settings`. It hides pydantic's own methods from `help`, where they would fill 500 lines."""

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.startswith("__") and not hasattr(BaseModel, name)]


class Settings(BaseModel, metaclass=SettingsType):
    """A group of settings that cannot be changed after its creation.

    Unknown fields and values of another type are errors. The docstring below a field becomes the field's description.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Give the class a short signature: the names and defaults of its fields, without pydantic's annotations."""
        super().__pydantic_init_subclass__(**options)
        defaults = {name: field.get_default() for name, field in cls.model_fields.items() if not field.is_required()}
        cls.__signature__ = Signature(
            [
                Parameter(name, Parameter.KEYWORD_ONLY, default=defaults.get(name, Parameter.empty))
                for name in cls.model_fields
            ]
        )

    if not TYPE_CHECKING:  # a type checker derives the parameters from the fields

        def __init__(self, /, **values):
            try:
                super().__init__(**values)
            except ValidationError as error:
                _add_remedies(type(self), error)
                raise

        __init__.__pydantic_base_init__ = True  # pydantic need not call `__init__` when it validates a mapping


class Component(Settings):
    """Base class of all components.

    A subclass annotates ``name`` as a Literal of one value, and this value is also the default of ``name``.
    """

    slot: ClassVar[str]

    only_in_python: ClassVar[str] = ""
    """What a spec file cannot hold of this component, such as a network in memory; empty if it can hold everything."""

    name: str


def invalid(message: str, remedy: str = "", *, kind: str = "invalid") -> PydanticCustomError:
    """Return the error that a validator of a pydantic model raises for a wrong value.

    Args:
        message: What is wrong with the value.
        remedy: What the user can do about it.
        kind: pydantic's error type.
    """
    return PydanticCustomError(kind, "{message} {remedy}", {"message": message, "remedy": remedy})


class Slot:
    """Annotation of a spec field that holds a component of one slot.

    The field accepts a component, a mapping with the component's ``name`` and parameters, or a bare name for a
    component with default parameters. Errors inside the component keep their key paths. Components in Python files are
    found if the field ``plugins`` of the same model lists the files. ``plugins`` must be declared before this field.

    Args:
        slot: One of `registry.SLOTS`.
        default: Name of the component for a mapping without ``name``.
        bare_list: Parameter of the default component that a bare list sets.
    """

    def __init__(self, slot: str, *, default: str = "", bare_list: str = "") -> None:
        self.slot, self.default, self.bare_list = slot, default, bare_list

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            lambda value, info: self.resolve(value, _files(info)),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.model_dump(mode="json") if isinstance(value, Component) else value
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"x-slot": self.slot}  # `emopms.spec.schema` replaces this by the installed components

    def widen(self, value: object) -> object:
        """Expand a bare name, a bare list or a mapping without ``name`` to a full mapping.

        Any other value is returned unchanged.
        """
        if isinstance(value, str):
            return {"name": value}
        if self.bare_list and isinstance(value, list | tuple):
            return {"name": self.default, self.bare_list: value}
        if self.default and isinstance(value, dict) and "name" not in value:
            return {"name": self.default, **value}
        return value

    def resolve(self, value: object, files: registry.Files = ()) -> Component:
        """Turn a spec value into a component.

        Raises:
            ValidationError: The value does not describe a component of this slot. pydantic adds the outer key path.
        """
        if isinstance(value, Component) and value.slot == self.slot:
            return value
        written, value = value, self.widen(value)
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            raise invalid(
                f"expected the name of a component of the slot {self.slot}.",
                "Write a bare name, or a mapping with `name:` and the component's parameters. "
                f"Available: {', '.join(registry.names(self.slot, files))}.",
            )
        try:
            component: type[Component] = registry.find(self.slot, value["name"], files)
        except PluginError as error:
            kind, remedy = "invalid", error.remedy
            if isinstance(error, registry.UnknownComponentError):
                kind = "unknown_component"
                if self.bare_list and isinstance(written, str):
                    remedy = f"If that is one of the {self.bare_list}, write it as a list: [{written}]. {remedy}"
            problem = invalid(error.message, remedy, kind=kind)
            raise ValidationError.from_exception_data(
                self.slot, [InitErrorDetails(type=problem, loc=("name",), input=value["name"])]
            ) from error
        try:
            return _read(component, value)
        except (ValidationError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a defect in one of the component's validators
            origin = registry.origins(self.slot, value["name"], files)[0]
            raise invalid(
                f"{self.slot} {value['name']!r} of {origin} failed to validate its parameters: {reason(error)}.",
                "This is a defect of that component.",
            ) from error


def _add_remedies(settings: type[Settings], error: ValidationError) -> None:
    """Add notes to an error of pydantic that say what the user can do.

    Python prints the notes of an error that nobody catches.
    """
    for details in error.errors(include_url=False, include_context=False):
        if len(details["loc"]) != 1 or not isinstance(name := details["loc"][0], str):
            continue
        if details["type"] == "extra_forbidden":
            error.add_note(f"{name}: {did_you_mean(name, settings.model_fields)}")
        elif (field := settings.model_fields.get(name)) and field.description:
            error.add_note(f"{name}: {' '.join(field.description.split())}")


def _read(component: type[Component], value: dict[str, Any]) -> Component:
    try:
        text = json.dumps(value)
    except TypeError:  # the value holds Python objects
        return component.model_validate(value)
    # In strict mode pydantic accepts a list for a tuple, and text for a path or an enumeration, only from JSON.
    return component.model_validate_json(text)


def _files(info: ValidationInfo) -> registry.Files:
    files: registry.Files = (info.data or {}).get("plugins", ())
    return files
