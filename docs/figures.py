"""Draws the two pictures of docs/method.md: ``make docs``."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).resolve().parent
COLORS = ("#0072b2", "#d55e00", "#009e73")
INK, QUIET, PAPER = "#1c2530", "#5b6673", "#ffffff"

FRONTS = (
    [(1.0, 0.0), (0.8, 0.03), (0.6, 0.10), (0.45, 0.24), (0.3, 0.5)],
    [(1.0, 0.0), (0.75, 0.02), (0.5, 0.07), (0.35, 0.15), (0.2, 0.4)],
    [(1.0, 0.0), (0.7, 0.05), (0.55, 0.12), (0.4, 0.3), (0.3, 0.55)],
)
"""An example: the fronts of three sub-networks of equal cost. A point is its share of the cost, and its impairment."""


def main() -> None:
    (FOLDER / "divide-and-join.svg").write_text(_svg(760, 434, _divide_and_join()), encoding="utf-8")
    (FOLDER / "joint-front.svg").write_text(_svg(760, 330, _joint_front()), encoding="utf-8")


def _divide_and_join() -> Iterable[str]:
    """The way from the dense network over the sub-networks and their fronts to a pruned network."""
    yield from _box(20, 20, 720, 84, QUIET, "the dense network", above=True)
    for index, color in enumerate(COLORS):
        left = 60 + 226 * index
        yield from _box(left, 44, 188, 44, color, f"sub-network N{index + 1}")
        if index:
            yield _arrow(left - 38, 66, left - 4, 66)
            yield _text(left - 20, 58, f"f{index}", QUIET, size=12)
        yield _arrow(left + 94, 108, left + 94, 132)
        yield from _front(left + 14, 140, 166, 110, FRONTS[index], color)
    label = "evolve: search each sub-network alone; rank: put its points back into the whole network"
    yield _text(380, 280, label, INK, size=13)
    joined = "M154 294 V318 M380 294 V318 M606 294 V318 H102"
    yield f'<path d="{joined}" stroke="{QUIET}" stroke-width="1.5" fill="none"/>'
    yield _arrow(102, 318, 102, 344)
    for index, (title, what) in enumerate(
        (
            ("join", "one point of each front"),
            ("refine, measure", "on the whole network"),
            ("aim", "search at the bound"),
            ("finetune, export", "one network per target"),
        )
    ):
        left = 20 + 186 * index
        yield from _box(left, 350, 162, 64, INK, title, what)
        if index:
            yield _arrow(left - 22, 382, left - 3, 382)


def _joint_front() -> Iterable[str]:
    """All sums of one point of each front, and those that no other sum dominates."""
    sums = [
        (round(sum(cost for cost, _ in points) / len(FRONTS), 6), round(sum(lost for _, lost in points), 6))
        for points in product(*FRONTS)
    ]
    best = [one for one in sums if not any(_dominates(other, one) for other in sums)]
    for index, (front, color) in enumerate(zip(FRONTS, COLORS, strict=True)):
        yield from _front(24, 20 + 100 * index, 150, 76, front, color)
        yield _text(184, 62 + 100 * index, f"N{index + 1}", color, anchor="start", bold=True)
    yield _text(250, 165, "join", INK, bold=True)
    yield _arrow(226, 178, 276, 178)
    yield from _front(320, 20, 410, 260, sums, "#b8c0c8", radius=3, also=best)
    yield _text(525, 318, "cost, share of the dense network's", QUIET, size=12)
    yield f'<g transform="translate(306 150) rotate(-90)">{_text(0, 0, "sum of impairments", QUIET, size=12)}</g>'
    yield f'<circle cx="560" cy="52" r="5" fill="{INK}"/>'
    yield _text(574, 56, f"joint front: {len(set(best))} schemes", INK, anchor="start", size=13)
    yield '<circle cx="560" cy="76" r="4" fill="#b8c0c8"/>'
    yield _text(574, 80, f"all {len(sums)} combinations", INK, anchor="start", size=13)


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]


def _front(
    left: float,
    top: float,
    width: float,
    height: float,
    points: list[tuple[float, float]],
    color: str,
    *,
    radius: float = 4.5,
    also: Iterable[tuple[float, float]] = (),
) -> Iterable[str]:
    """A chart of costs (across) and impairments (up), with axes and no numbers."""
    highest = max(lost for _, lost in points)
    yield f'<path d="M{left} {top} V{top + height} H{left + width}" stroke="{QUIET}" stroke-width="1.5" fill="none"/>'
    for places, fill, r in ((points, color, radius), (also, INK, radius + 1.5)):
        for cost, lost in places:
            x, y = left + 0.95 * width * cost, top + height - 6 - 0.88 * height * lost / highest
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{fill}"/>'


def _box(
    left: float, top: float, width: float, height: float, color: str, *lines: str, above: bool = False
) -> Iterable[str]:
    yield (
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="8" fill="{color}" fill-opacity="0.1" '
        f'stroke="{color}" stroke-width="1.5"/>'
    )
    middle = top + 17 if above else top + height / 2 - 9 * (len(lines) - 1) + 5
    for row, line in enumerate(lines):
        quiet = row > 0 or above
        yield _text(left + width / 2, middle + 18 * row, line, QUIET if quiet else color, size=12 if quiet else 14)


def _text(
    x: float, y: float, text: str, color: str, *, anchor: str = "middle", size: int = 14, bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{color}" font-size="{size}" text-anchor="{anchor}"{weight}>{text}</text>'


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1} {y1} L{x2} {y2}" stroke="{QUIET}" stroke-width="1.5" marker-end="url(#head)"/>'


def _svg(width: int, height: int, parts: Iterable[str]) -> str:
    """A picture on white paper, so that it can be read on dark pages too."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="system-ui, sans-serif">',
            '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0 L8 4 L0 8 z" fill="{QUIET}"/></marker>',
            f'<rect width="{width}" height="{height}" rx="10" fill="{PAPER}"/>',
            *parts,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    main()
