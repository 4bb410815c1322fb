"""Takes over the rows of comparisons and writes docs/quality.md and its pictures from them.

    python -m benchmarks.quality [COMPARISON…]

``COMPARISON`` is the folder of an ``emopms compare`` with a spec of this folder. Its rows are copied to
``benchmarks/quality/rows/<name of the spec>/``, also while it still runs. The page is made of the rows that are there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from emopms.engine.comparison.picture import draw
from emopms.engine.comparison.row import Row
from emopms.engine.comparison.table import markdown, summarise

HERE = Path(__file__).resolve().parent
ROWS = HERE / "rows"
PAGE = HERE.parents[1] / "docs" / "quality.md"

_TITLES = {
    "quality-cifar10-resnet20": "ResNet-20 on CIFAR-10",
    "quality-fashion-mnist": "A small residual network on Fashion-MNIST",
}
"""Title of the section of each main spec."""

_INTRODUCTION = """\
# Quality

Every way to choose channels that emopms knows, on equal terms: the same dense network, division of the data, bound on
MACs, surgery, recalibration of batch norm and fine-tuning ([Comparisons](comparison.md)). Made by
`python -m benchmarks.quality` from the rows in `benchmarks/quality/rows`; the specs beside
them say how each row is made again.

**The table is not complete yet.** It shows the rows that are measured; each needs some minutes of two CPU cores, and
they are added as they end. {rows} rows are there.

Two things to keep in mind: the search in bold prunes a network after two epochs of constraint training, which the
column *training* counts, and the others do not have. And one epoch of fine-tuning is far less than a network for use
gets.
"""


def collect(comparison: Path) -> None:
    """Copy the rows of a comparison, which was made on this machine, into the repository."""
    summary = json.loads((comparison / "comparison.json").read_text())
    folder = ROWS / summary["name"]
    folder.mkdir(parents=True, exist_ok=True)
    for row in sorted((comparison / "rows").glob("*.json")):
        (folder / row.name).write_bytes(row.read_bytes())
    (folder / "machine.json").write_text(json.dumps(machine(), indent=1) + "\n")


def page() -> tuple[str, dict[str, bytes]]:
    """Return the page, and its pictures by file name."""
    sections, pictures, count = [], {}, 0
    for name, title in _TITLES.items():
        rows = [Row(**json.loads(path.read_text())) for path in sorted((ROWS / name).glob("*seed-*.json"))]
        if not rows:
            continue
        count += len(rows)
        summary = summarise(_in_order(rows))
        picture = f"{name}.svg"
        pictures[picture] = draw({"name": name, **summary})
        measured_on = json.loads((ROWS / name / "machine.json").read_text())
        tables = markdown({"name": name, **summary}).split("\n", 1)[1].replace("\n## ", "\n### ")
        sections.append(f"## {title}\n\n![{title}: accuracy over MACs]({picture})\n\n{_machine(measured_on)}\n{tables}")
    published = (HERE / "published.md").read_text()
    return "\n".join([_INTRODUCTION.format(rows=count), *sections, published]), pictures


def _in_order(rows: list[Row]) -> list[Row]:
    """Sort rows by target, from the largest network to the smallest."""
    return sorted(rows, key=lambda row: (-float(row.target.removeprefix("macs-")), row.method, row.seed))


def _machine(found: dict[str, Any]) -> str:
    return (
        f"Machine: {found['cpu']}, {found['threads']} threads, device {found['device']}, torch {found['torch']}. "
        "It did other work meanwhile, so seconds are upper bounds, and speed-ups, which are timed in turns, are rough."
    )


def main() -> None:
    """Copy the rows of the comparisons that the arguments name, and write the page."""
    for comparison in sys.argv[1:]:
        collect(Path(comparison))
    text, pictures = page()
    PAGE.write_text(text)
    for name, content in pictures.items():
        (PAGE.parent / name).write_bytes(content)


if __name__ == "__main__":
    main()
