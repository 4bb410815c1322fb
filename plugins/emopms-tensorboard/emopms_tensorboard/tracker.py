"""The tracker ``tensorboard``: event files, which TensorBoard shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from emopms.api import TrackedResult, TrackedRun, Tracker, Tracking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NOT_SHOWN = ("scheme", "on_front")


class TensorBoard(Tracker):
    """Event files for TensorBoard.

    The figures of stages and of models are scalars. The front is a scalar, too: the accuracy over the share of the MACs
    in thousandths, as step. Spec, machine and front are also there as text.
    """

    name: Literal["tensorboard"] = "tensorboard"
    folder: str = "tensorboard"
    """The folder of the event files; a relative path starts in the run directory."""

    def begin(self, run: TrackedRun) -> Tracking:
        from torch.utils.tensorboard import SummaryWriter

        writer: Any = SummaryWriter(str(run.folder / Path(self.folder).expanduser()))
        writer.add_text("spec", _block(run.spec))
        writer.add_text("machine", _block(run.facts))
        return _Events(writer)


class _Events(Tracking):
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def log(self, figures: Mapping[str, float], *, step: int | None = None) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step or 0)

    def finish(self, result: TrackedResult) -> None:
        self.log(result.figures)
        dense = max(row["macs"] for row in result.front)
        for row in result.front:
            self._writer.add_scalar("front/accuracy", row["accuracy"], round(1000 * row["macs"] / dense))
        self._writer.add_text("front", _table(result.front))

    def close(self) -> None:
        self._writer.close()


def _block(values: Mapping[str, Any]) -> str:
    """Return plain data as a block of code in Markdown."""
    return "\n".join(f"    {line}" for line in json.dumps(values, indent=1, ensure_ascii=False).splitlines())


def _table(rows: Sequence[Mapping[str, float]]) -> str:
    """Return the front as a table in Markdown."""
    names = [name for name in rows[0] if name not in _NOT_SHOWN]
    lines = [["scheme", *names], ["---"] * (1 + len(names))]
    lines += [[f"{row['scheme']:.0f}", *(f"{row[name]:.6g}" for name in names)] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
