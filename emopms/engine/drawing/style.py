"""The style that all figures share. It does not depend on matplotlib's settings of the user.

The colours are those of Okabe and Ito, which colour-blind readers can distinguish too. Yellow is left out, because it
is too light on white.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

BLACK: Final = "#000000"
BLUE: Final = "#0072B2"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
PURPLE: Final = "#CC79A7"
SKY: Final = "#56B4E9"
VERMILION: Final = "#D55E00"

DENSE_LINE: Final[dict[str, Any]] = {"color": "0.35", "linestyle": "--", "linewidth": 1.0}
"""Arguments of matplotlib for the line that shows the dense network."""
FORMATS: Final = ("pdf", "png", "svg")
"""Formats in which `encode` can write a figure."""

_SETTINGS: Final = {
    "svg.hashsalt": "emopms",  # the salt gives equal figures equal bytes
    "pdf.fonttype": 42,  # text stays text; publishers refuse the fonts that matplotlib embeds by default
    "text.parse_math": False,  # names of users may contain dollar signs
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_WITHOUT_DATE: Final[dict[str, dict[str, Any]]] = {"pdf": {"CreationDate": None}, "png": {}, "svg": {"Date": None}}
_DOTS_PER_INCH: Final = 300


def can_draw() -> bool:
    """Return whether matplotlib, which draws the figures, is installed."""
    return find_spec("matplotlib") is not None


@contextmanager
def style(font_size: float = 9.0) -> Iterator[None]:
    """Let the body of the ``with`` statement draw in the style of emopms, whatever the settings of the user are.

    Args:
        font_size: Size of texts in points.

    Raises:
        ImportError: Matplotlib is not installed (see `can_draw`).
    """
    import matplotlib.style

    with matplotlib.style.context(["default", _SETTINGS | {"font.size": font_size}]):
        yield


def arrange(figure: Figure) -> None:
    """Let matplotlib arrange the panels, and round their positions, whose last digits would differ between calls."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(side, 4) for side in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))


def encode(figure: Figure, form: str) -> bytes:
    """Return a figure as the content of a file. Equal figures give equal bytes.

    Args:
        figure: The figure. Call this in the same `style` in which it was drawn.
        form: One of `FORMATS`.
    """
    file = io.BytesIO()
    figure.savefig(file, format=form, dpi=_DOTS_PER_INCH, metadata=_WITHOUT_DATE[form])
    return file.getvalue()
