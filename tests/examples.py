"""Hypothesis profiles: how many examples property-based tests try, and whether they are random.

The variable ``HYPOTHESIS_PROFILE`` chooses one: ``everywhere`` by default, ``fast`` in `make test-fast`, ``nightly``
in `make nightly`.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

_DEFAULT_EXAMPLES: Final = 100


def load_profile() -> None:
    """Register all profiles, and load the one that the environment names.

    No test fails because the machine is slow. In ``nightly``, the seed is random: a failure prints the code that
    repeats it.
    """
    common = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("everywhere", common, derandomize=True, max_examples=_DEFAULT_EXAMPLES)
    settings.register_profile("fast", common, derandomize=True, max_examples=_DEFAULT_EXAMPLES // 10)
    settings.register_profile(
        "nightly", common, derandomize=False, max_examples=10 * _DEFAULT_EXAMPLES, print_blob=True
    )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everywhere"))


def scaled(examples: int) -> int:
    """Return a number of examples for ``max_examples``, scaled to the profile; ``everywhere`` leaves it as it is."""
    return max(1, examples * settings().max_examples // _DEFAULT_EXAMPLES)
