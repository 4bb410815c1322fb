"""Durations as people write them: ``90s``, ``30min``, ``1.5h``, or a number of seconds."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from emopms.component import invalid

_UNITS: Final = {"s": 1, "min": 60, "h": 3600}
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|h)")


def _read(value: object) -> object:
    """Return the seconds of a duration. What is no text is left to the validation of numbers.

    Raises:
        PydanticCustomError: The text is no duration.
    """
    if not isinstance(value, str):
        return value
    written = _WRITTEN.fullmatch(value)
    if written is None:
        raise invalid(f"{value!r} is no duration.", "Write a number with s, min or h, such as `30min`.")
    return float(written[1]) * _UNITS[written[2]]


Duration = Annotated[
    float,
    Field(gt=0, le=1e9),
    BeforeValidator(_read),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": rf"^{_WRITTEN.pattern}$"},
            ]
        }
    ),
]
"""A time in seconds, which may be written with a unit."""
