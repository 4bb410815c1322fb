"""Keys of stored stages."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def stage_key(parts: Mapping[str, Any]) -> str:
    """Return the key under which a stage is stored: the SHA-256 of everything that its result depends on.

    Args:
        parts: Name, version, seed, fingerprint of the data, settings and keys of inputs, as JSON.
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True, allow_nan=False).encode()).hexdigest()
