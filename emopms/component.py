"""A component *is* its configuration: frozen, hashable, cheap to make, validated before anything runs.

What has state (a module, an algorithm in progress) is returned by a component's methods, never kept in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from emopms import registry
from emopms.errors import PluginError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler


class Settings(BaseModel):
    """A frozen, strict group of settings. Docstrings below fields are their descriptions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Component(Settings):
    """Base of every component. Subclasses narrow ``name`` to a Literal with that value as its default."""

    slot: ClassVar[str]

    name: str


def invalid(message: str, remedy: str = "") -> PydanticCustomError:
    """What a validator raises to say what is wrong with a value, and what to do about it."""
    return PydanticCustomError("invalid", "{message} {remedy}", {"message": message, "remedy": remedy})


class Slot:
    """Annotates a spec field as holding a component of one slot.

    Accepts a component, a mapping with ``name`` and the component's parameters beside it, or a bare name for
    a component with its defaults. Problems inside the component keep their own key paths.
    """

    def __init__(self, slot: str) -> None:
        self.slot = slot

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.resolve,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda component: component.model_dump(mode="json")
            ),
        )

    def resolve(self, value: object) -> Component:
        """Turn a spec value into a component.

        Raises:
            ValidationError: The value is no component of this slot; pydantic adds the outer key path.
        """
        if isinstance(value, Component) and value.slot == self.slot:
            return value
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            raise invalid(
                f"expected the name of a component of the slot {self.slot}.",
                "Write a bare name, or a mapping with `name:` and the component's parameters.",
            )
        try:
            component = registry.find(self.slot, value["name"])
        except PluginError as error:
            problem = invalid(error.message, error.remedy)
            raise ValidationError.from_exception_data(
                self.slot, [InitErrorDetails(type=problem, loc=("name",), input=value["name"])]
            ) from error
        validated: Component = component.model_validate(value)
        return validated
