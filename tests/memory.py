"""How much memory something takes."""

from __future__ import annotations

import resource
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LITTLE = 100 * 2**20
_UNIT = 1 if sys.platform == "darwin" else 1024


@contextmanager
def little_memory() -> Iterator[None]:
    """Holds what is done to 100 MiB above what the process has ever had."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * _UNIT < _LITTLE
