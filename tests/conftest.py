"""Property-based tests try the examples of a profile (see `tests.examples`)."""

from __future__ import annotations

from loguru import logger

from tests.examples import load_profile

load_profile()

logger.remove()  # the sink that it begins with holds the stderr of whichever test imported it first
