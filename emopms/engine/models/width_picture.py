"""The picture of a model card: how many channels each layer keeps."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROW, _BAR, _TEXT, _WIDTH = 16, 10, 6.2, 300
"""Height of a row and of a bar, width of a character and of the longest bar, in pixels."""


def width_picture(layers: Sequence[tuple[str, int, int]]) -> str:
    """Return an SVG picture with a bar for each layer: the frame is the dense layer, the filled part what is kept.

    Args:
        layers: Path, output channels, and kept output channels of each layer, in the order of the forward pass.
    """
    widest = max((channels for _, channels, _ in layers), default=1)
    left = 12 + _TEXT * max((len(name) for name, *_ in layers), default=0)
    width, height = left + _WIDTH + 110, _ROW * len(layers) + 8
    rows = []
    for row, (name, channels, kept) in enumerate(layers):
        top = 4 + _ROW * row
        dense, filled = (_WIDTH * count / widest for count in (channels, kept))
        rows += [
            f'<text x="{left - 6:.1f}" y="{top + 9}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left:.1f}" y="{top}" width="{dense:.1f}" height="{_BAR}" fill="none" stroke="#8c959f"/>',
            f'<rect x="{left:.1f}" y="{top}" width="{filled:.1f}" height="{_BAR}" fill="#0072b2"/>',
            f'<text x="{left + _WIDTH + 6:.1f}" y="{top + 9}">{kept} of {channels}</text>',
        ]
    style = "font: 11px ui-monospace, 'DejaVu Sans Mono', monospace; fill: #57606a"
    size = f'width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Kept channels of each layer">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n<g style="{style}">\n'
        + "\n".join(rows)
        + "\n</g>\n</svg>\n"
    )
