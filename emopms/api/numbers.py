"""Number types with wide bounds. A value outside the bounds is a mistake, and is reported before a run starts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1, le=100_000)]
"""A number of epochs, generations, candidates or repetitions."""
Width = Annotated[int, Field(ge=1, le=65_536)]
"""The width of a layer in channels, or of an image in pixels."""
BatchSize = Annotated[int, Field(ge=2, le=100_000)]
"""Images per batch; at least two, because batch statistics are estimated on it."""
Rate = Annotated[float, Field(gt=0, le=1000)]
"""A learning rate or another factor above 0."""
Weight = Annotated[float, Field(ge=0, le=1_000_000)]
"""The weight of a term in a sum."""
