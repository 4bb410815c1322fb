"""Colours and markers of pruning methods in the picture of a comparison. Up to 20 baselines differ in their marker or
in its filling, so that colours are not needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from emopms.engine.drawing.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OF_SEARCHES: Final = (VERMILION, BLUE, PURPLE, GREEN)
_OF_BASELINES: Final = (SKY, ORANGE, GREEN, PURPLE, BLUE, BLACK, VERMILION)
_SEARCH_MARKERS: Final = "o*h8"
_BASELINE_MARKERS: Final = "s^DvP<X>pd"


@dataclass(frozen=True)
class Mark:
    """How the picture shows one pruning method."""

    colour: str
    """Colour as ``#RRGGBB``."""
    marker: str
    """Name of the marker in matplotlib."""
    filled: bool
    """Whether the marker is filled with the colour. Otherwise it is filled with white."""
    searched: bool
    """Whether the method is the search of a spec. Searches are larger, and in front of baselines."""

    @property
    def style(self) -> dict[str, Any]:
        """Arguments of matplotlib for a line with markers and error bars."""
        return {
            "color": self.colour,
            "linewidth": 2.2 if self.searched else 0.7,
            "marker": self.marker,
            "markersize": 9 if self.searched else 5.5,
            "markerfacecolor": self.colour if self.filled else "white",
            "markeredgecolor": "black" if self.searched else self.colour,
            "markeredgewidth": 1.0,
            "elinewidth": 1.6 if self.searched else 0.9,
            "capsize": 3.5 if self.searched else 2,
            "zorder": 4 if self.searched else 3,
        }


def marks(entries: Sequence[Mapping[str, Any]]) -> dict[str, Mark]:
    """Return the mark of each pruning method by its name.

    Args:
        entries: The ``methods`` of ``comparison.json``. Marks depend on the names of the methods, not on their order,
            so that they stay when accuracies change.
    """
    baselines = sorted({entry["method"] for entry in entries if entry["baseline"] is not None})
    searches = sorted({entry["method"] for entry in entries if entry["baseline"] is None})
    count, found = len(_BASELINE_MARKERS), dict[str, Mark]()
    for index, name in enumerate(searches):
        colour, marker = _OF_SEARCHES[index % len(_OF_SEARCHES)], _SEARCH_MARKERS[index % len(_SEARCH_MARKERS)]
        found[name] = Mark(colour, marker, filled=True, searched=True)
    for index, name in enumerate(baselines):
        colour, marker = _OF_BASELINES[index % len(_OF_BASELINES)], _BASELINE_MARKERS[index % count]
        found[name] = Mark(colour, marker, filled=index // count % 2 == 0, searched=False)
    return found
