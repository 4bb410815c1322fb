"""Numbers with bounds that no sensible setting reaches: what exceeds them is a slip, found before anything runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1, le=100_000)]
"""Of epochs, generations, candidates, repetitions."""
Width = Annotated[int, Field(ge=1, le=65_536)]
"""Of a layer, in channels, or of an image, in pixels."""
BatchSize = Annotated[int, Field(ge=2, le=100_000)]
"""Of a batch that statistics are estimated on."""
Rate = Annotated[float, Field(gt=0, le=1000)]
"""Of learning, and other factors that cannot be 0."""
Weight = Annotated[float, Field(ge=0, le=1_000_000)]
"""Of a term in a sum."""
