"""Fields that were added to settings in a later version, and that must not change the keys of stored results."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import SerializationInfo, SerializerFunctionWrapHandler, model_serializer

from emopms.component import Settings

WITH_ADDED = {"added": True}
"""Context of a serialisation that writes added fields, too, whatever their values are."""


class AddedFields(Settings):
    """Base class of settings, such as components, that got fields in a later version.

    An added field is written to the stored settings only if its value is not the default.

    A run stores the result of each of its stages under a key, which is a hash of settings. If an added field were
    always written, all these keys would change, although each stage still computes the same result.
    """

    added: ClassVar[frozenset[str]] = frozenset()
    """Names of the added fields. A subclass that adds fields lists them together with those of its base class."""

    @model_serializer(mode="wrap")
    def _without_added_defaults(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Return the fields to store: all fields except the added fields that hold their defaults."""
        written: dict[str, Any] = handler(self)
        if info.context == WITH_ADDED:
            return written
        fields = type(self).model_fields
        return {
            name: value
            for name, value in written.items()
            if name not in self.added or getattr(self, name) != fields[name].get_default(call_default_factory=True)
        }
