"""Settings that a component gained after runs had been stored under its other settings."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import SerializerFunctionWrapHandler, model_serializer

from emopms.component import Component


class AddedFields(Component):
    """A component whose later settings are written down only if they differ from their defaults.

    Stages are stored under the settings of their components. A field with a new name would change the key of every
    stored stage, although the stage computes what it did.
    """

    added: ClassVar[frozenset[str]] = frozenset()
    """Names of the fields that came later. A component adds its own to those of its base class."""

    @model_serializer(mode="wrap")
    def _without_added_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write all fields but the added ones that hold their defaults."""
        written: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        return {
            name: value
            for name, value in written.items()
            if name not in self.added or getattr(self, name) != fields[name].get_default(call_default_factory=True)
        }
