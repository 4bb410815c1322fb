"""A component that imports scipy as soon as it is validated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from emopms.api import Constraint


def _checked(value: float) -> float:
    import scipy

    return value if scipy.__version__ else 0.0


class Eager(Constraint):
    name: Literal["eager"] = "eager"
    weight: Annotated[float, AfterValidator(_checked), Field(validate_default=True)] = 1.0
