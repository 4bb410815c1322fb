"""Writes the progress of a run as lines of text for a terminal.

The texts in these lines are never cut off. On a narrow terminal, the bar becomes shorter or is left out, and the text
behind the bar moves to a line of its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from emopms.cli.output import printable
from emopms.cli.tables import duration

if TYPE_CHECKING:
    from rich.console import RenderableType

    from emopms.engine.support.run_progress import EndedStage, RunProgress, Work

_NAME: Final = 22
"""Least number of characters that the name of a stage takes in a line. A shorter name is followed by spaces."""
_WIDEST_BAR: Final = 24
_NARROWEST_BAR: Final = 8
_LONG: Final = 600
"""Seconds from which on an estimate is also written as the time of day."""


def describe(progress: RunProgress) -> str:
    """Return one line for the whole run, such as ``stage 4 of 13 · 35 s so far · about 40 s left``."""
    parts = [_position(progress), f"{_whole(progress.seconds())} so far"]
    left = progress.left()
    if left is not None and not progress.is_complete():
        parts.append(_remaining(progress, left) if left >= 1 else "almost done")
    return " · ".join(parts)


def ended_line(stage: EndedStage) -> Text:
    """Return the line of a complete stage: its name, and its seconds or ``cached``."""
    return Text(f"  {printable(stage.name):<{_NAME}} {_took(stage)}")


def ended_event(stage: EndedStage) -> str:
    """Return the same for a log, such as ``rank: 1.5 s``."""
    return f"{printable(stage.name)}: {_took(stage)}"


def present_lines(progress: RunProgress, width: int) -> RenderableType:
    """Return the lines of the present work and of the whole run.

    Args:
        progress: The progress of the run.
        width: Columns of the terminal.
    """
    work = [] if progress.work is None else _work_lines(progress.work, width)
    return Group(*work, Text(f"  {describe(progress)}"))


def steps_done(work: Work) -> str:
    """Return the count of steps of a work and its note, such as ``3/30 epochs, loss 0.2``."""
    return f"{_count(work)}, {printable(work.note)}" if work.note else _count(work)


def _count(work: Work) -> str:
    return f"{work.done}/{work.total} {printable(work.unit)}"


def _work_lines(work: Work, width: int) -> list[Text]:
    name, count = f"  {printable(work.label):<{_NAME}}", _count(work)
    room = width - cell_len(f"{name}  {steps_done(work)}") - 1
    if room < _NARROWEST_BAR:  # the note gets a line of its own
        room = width - cell_len(f"{name}  {count}") - 1
        text = [Text(f"    {printable(work.note)}")] if work.note else []
        return [_bar(work, name, room, count), *text]
    return [_bar(work, name, room, steps_done(work))]


def _bar(work: Work, name: str, room: int, after: str) -> Text:
    if room < _NARROWEST_BAR:
        return Text(f"{name} {after}")
    width = min(room, _WIDEST_BAR)
    done = int(width * work.share)
    return Text.assemble(f"{name} ", ("━" * done, "green"), ("━" * (width - done), "bright_black"), f" {after}")


def _took(stage: EndedStage) -> str:
    return "cached" if stage.cached else f"{stage.seconds:.1f} s"


def _position(progress: RunProgress) -> str:
    """Return the number of the current stage, such as ``stage 4 of 13``."""
    number = len(progress.ended) + (progress.running is not None)
    if number == 0:
        return "preparing"
    return f"stage {number}" + ("" if progress.total is None else f" of {progress.total}")


def _remaining(progress: RunProgress, left: float) -> str:
    text = f"about {_whole(left)} left"
    if left < _LONG:
        return text
    end = datetime.fromtimestamp(progress.clock() + left)
    days = (end.date() - datetime.fromtimestamp(progress.clock()).date()).days
    return f"{text}, until {end:%H:%M}" + (f" in {days} days" if days > 1 else " tomorrow" if days else "")


def _whole(seconds: float) -> str:
    """Format a duration without fractions of a second, because an estimate is not that exact."""
    return f"{seconds:.0f} s" if seconds < 9.95 else duration(seconds)
