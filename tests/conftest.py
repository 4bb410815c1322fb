"""Property-based tests are the same everywhere, and are never failed by a slow machine."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from loguru import logger

settings.register_profile(
    "emopms", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("emopms")

logger.remove()  # the sink that it begins with holds the stderr of whichever test imported it first
