"""Limits on pruning: layers that keep all of their channels, and the number of channels that every layer keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from emopms.documented import documented
from emopms.errors import NetworkError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection

_ROUNDING = 1e-9
"""Largest rounding error in the product of a ratio and a number of channels: 0.29 · 100 must count as 29."""


@documented
@dataclass(frozen=True)
class Limits:
    """What layers keep, whatever a search or a baseline prefers. By default, there are no limits.

    The limits are checked for the channels of a layer that can be pruned. A layer may have other channels, which are
    always kept, so it never keeps less than the limits say.
    """

    keep: tuple[str, ...] = ()
    """Patterns of layer paths, such as ``layer1.*``, in which ``*`` stands for any text. A layer whose path matches
    keeps all of its output channels, and so does every layer that must keep the same channels."""
    min_channels: int = 1
    """Least number of channels that every layer keeps. A layer with fewer channels keeps all of them."""
    max_ratio: float = 1.0
    """Largest share of a layer's channels that is removed, above 0. With 1, there is no limit."""

    def pattern_for(self, layer: str) -> str | None:
        """Return the first pattern in ``keep`` that matches the path of a layer, or None if there is none."""
        return next((pattern for pattern in self.keep if fnmatchcase(layer, pattern)), None)

    def least(self, channels: int) -> int:
        """Return how many of the prunable channels of one layer are kept at least.

        The result is 0 if these limits demand nothing of the layer.

        Args:
            channels: Number of the layer's channels that can be pruned.
        """
        return max(self._least_by_number(channels), channels - math.floor(self.max_ratio * channels + _ROUNDING))

    def reason(self, channels: int) -> str:
        """Return the reason why a layer with this number of prunable channels keeps all of them, for messages."""
        by_number = self._least_by_number(channels) == self.least(channels)
        setting = f"min_channels: {self.min_channels}" if by_number else f"max_ratio: {self.max_ratio:g}"
        return f"`genome: {{{setting}}}` keeps all of its channels"

    def require_matches(self, layers: Collection[str]) -> None:
        """Check that each pattern in ``keep`` matches one of these paths.

        Args:
            layers: Paths of the layers that could be pruned without these limits.

        Raises:
            LimitsError: A pattern matches none of them.
        """
        for index, pattern in enumerate(self.keep):
            if not any(fnmatchcase(layer, pattern) for layer in layers):
                inside = f"{pattern}.*"
                known = {*layers, *([inside] if any(fnmatchcase(layer, inside) for layer in layers) else [])}
                raise LimitsError(
                    f"No layer that can be pruned matches {pattern!r}.",
                    remedy=did_you_mean(pattern, known),
                    keys=("keep", index),
                )

    def _least_by_number(self, channels: int) -> int:
        return min(self.min_channels, channels) if self.min_channels > 1 else 0


class LimitsError(NetworkError):
    """The limits name a layer that does not exist, or leave nothing to prune."""

    def __init__(self, message: str, *, remedy: str, keys: tuple[str | int, ...] = ()) -> None:
        super().__init__(message, remedy=remedy)
        self.keys = keys
        """Keys and indices, below ``genome`` in a spec, that lead to the wrong value."""


NO_LIMITS = Limits()
"""Limits that demand nothing."""
KEEP_LESS = "Loosen the limits under `genome`: `keep`, `min_channels` or `max_ratio`."
"""The advice in an error message if limits leave nothing to prune."""
