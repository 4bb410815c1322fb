"""Number types with bounds. A value outside the bounds is surely a mistake, and is reported before a run starts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1, le=100_000)]
"""A number of epochs, generations, candidates or repetitions."""
Width = Annotated[int, Field(ge=1, le=65_536)]
"""The width of a layer in channels, or of an image in pixels."""
BatchSize = Annotated[int, Field(ge=2, le=100_000)]
"""Images per batch. A batch has at least two images, because batch norm estimates its statistics on each batch."""
Rate = Annotated[float, Field(gt=0, le=1000)]
"""A learning rate or another factor above 0."""
Weight = Annotated[float, Field(ge=0, le=1_000_000)]
"""The factor of one term in a sum."""
