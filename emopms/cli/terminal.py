"""Shows the progress of a run, as bars on a terminal and as log lines elsewhere, and a table of results at the end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from loguru import logger
from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from emopms.cli.output import printable, tell
from emopms.cli.overall import Overall
from emopms.cli.tables import Columns
from emopms.engine.support.log_sinks import logging_to
from emopms.spec.target import COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from rich.console import RenderableType

    from emopms.engine.support.progress import Progress

_NAME: Final = 22
"""Least number of characters that the name of a stage takes in a line. A shorter name is followed by spaces."""
_WIDEST_BAR: Final = 24
_NARROWEST_BAR: Final = 8


@contextmanager
def progress_on_terminal(*, quiet: bool, log_level: str) -> Iterator[Progress | None]:
    """Show log lines and progress on standard error while the body of the ``with`` statement runs.

    Args:
        quiet: Whether only warnings and errors are shown.
        log_level: The lowest level of log lines that are shown, such as ``info``.

    Yields:
        The display of the progress; None if ``quiet`` is set.
    """
    with log_on_terminal("warning" if quiet else log_level) as console:
        if quiet:
            yield None
        elif _moves_the_cursor(console):
            with Bars(console) as bars:
                yield bars
        else:
            yield Lines()


@contextmanager
def log_on_terminal(level: str = "info") -> Iterator[Console]:
    """Show log lines on standard error while the body of the ``with`` statement runs.

    Args:
        level: The lowest level of log lines that are shown, such as ``info``.

    Yields:
        The console that shows them.
    """
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    lines = LogLines(console if _moves_the_cursor(console) else None)
    logger.remove()
    with logging_to(lines, level=level.upper(), format=log_format):
        yield console


def _moves_the_cursor(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal


class Bars:
    """Progress on a terminal: a bar for the current work, and one line for the whole run below it.

    The texts in these lines are never cut off. On a narrow terminal, the bar becomes shorter or is left out, and the
    text behind the bar moves to a line of its own.
    """

    def __init__(self, console: Console, overall: Overall | None = None) -> None:
        self._console = console
        self._overall = Overall() if overall is None else overall
        self._work: _Work | None = None
        self._live = Live(console=console, get_renderable=self.lines, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def begin(self, stages: Mapping[str, float | None]) -> None:
        self._overall.begin(stages)

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[_Work]:
        self._work = _Work(label, total, unit, self._overall)
        try:
            yield self._work
        finally:
            self._work = None

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        if seconds is None:
            self._overall.begin_stage(name)
            return
        self._overall.end_stage(name, seconds)
        took = "cached" if cached else f"{seconds:.1f} s"
        self._console.print(Text(f"  {printable(name):<{_NAME}} {took}"))

    def lines(self) -> RenderableType:
        """Return the lines that show the progress of the run at this moment."""
        width = self._console.width
        lines = [] if self._work is None else self._work.lines(width)
        return Group(*lines, Text(f"  {self._overall.describe()}"))


class _Work:
    """A piece of work whose progress is shown by a bar."""

    def __init__(self, label: str, total: int, unit: str, overall: Overall) -> None:
        self._label, self._total, self._unit, self._overall = printable(label), total, printable(unit), overall
        self._done, self._note = 0, ""

    def advance(self, note: str = "", *, steps: int = 1) -> None:
        self._done += steps
        self._note = printable(note)
        self._overall.advance(self._share())

    def _share(self) -> float:
        return min(1.0, self._done / self._total) if self._total else 1.0

    def lines(self, width: int) -> list[Text]:
        """Return the name, the bar, the count of steps and the text behind the bar, in as few lines as the terminal
        allows."""
        name, count = f"  {self._label:<{_NAME}}", f"{self._done}/{self._total} {self._unit}"
        note = f", {self._note}" if self._note else ""
        room = width - cell_len(f"{name}  {count}{note}") - 1
        if room < _NARROWEST_BAR:  # the note gets a line of its own
            room = width - cell_len(f"{name}  {count}") - 1
            text = [Text(f"    {self._note}")] if self._note else []
            return [self._bar(name, room, count), *text]
        return [self._bar(name, room, count + note)]

    def _bar(self, name: str, room: int, after: str) -> Text:
        if room < _NARROWEST_BAR:
            return Text(f"{name} {after}")
        width = min(room, _WIDEST_BAR)
        done = int(width * self._share())
        return Text.assemble(f"{name} ", ("━" * done, "green"), ("━" * (width - done), "bright_black"), f" {after}")


class Lines:
    """Shows the progress of a run as log lines."""

    def __init__(self) -> None:
        self._overall = Overall()

    def begin(self, stages: Mapping[str, float | None]) -> None:
        self._overall.begin(stages)

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[_Counter]:
        yield _Counter(label, total, unit, self._overall)

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        if seconds is None:
            self._overall.begin_stage(name)
            return
        self._overall.end_stage(name, seconds)
        if cached:
            logger.info("{}: cached", name)
        else:
            logger.info("{}: {:.1f} s ({})", name, seconds, self._overall.describe())


class _Counter:
    """Logs the progress of a stage in about ten lines, whatever the number of its steps."""

    def __init__(self, label: str, total: int, unit: str, overall: Overall) -> None:
        self._label, self._total, self._unit, self._overall = label, total, unit, overall
        self._done = 0

    def advance(self, note: str = "", *, steps: int = 1) -> None:
        every = max(1, self._total // 10)
        logged, self._done = self._done // every, self._done + steps
        self._overall.advance(min(1.0, self._done / self._total) if self._total else 1.0)
        if self._done // every > logged or self._done == self._total:
            text = f"{self._label}: {self._done}/{self._total} {self._unit}"
            logger.info("{}", f"{text}, {note}" if note else text)


def log_format(record: Any) -> str:
    """Return loguru's format of a record: the message on one line, then the traceback if there is one.

    Control characters in the message are escaped.
    """
    record["extra"]["line"] = printable(record["message"])
    return "{extra[line]}\n{exception}"


class LogLines:
    """Writes log lines to standard error, above the bars if there are bars."""

    def __init__(self, console: Console | None) -> None:
        """Choose how log lines are written.

        Args:
            console: The console with the bars, or None if standard error is not a terminal. Without a console, lines
                are not wrapped.
        """
        self._console = console

    def write(self, line: str) -> None:
        if self._console is None:
            tell(line.rstrip("\n"))
        else:
            text = "\n".join(map(printable, line.rstrip("\n").split("\n")))
            self._console.print(Text(text))

    def close(self) -> None:
        pass


def closing_table(summary: dict[str, Any], folder: Path) -> Group:
    """Return the table of the dense and the pruned networks, and the paths of the results."""
    dense, quality = summary["dense"], summary["quality"]
    title = f"{quality} with the dense network" if quality == "agreement" else quality
    models = summary["models"]
    dense_costs = {name: cost for name, cost in models[0]["dense_costs"].items() if name not in COUNTED}
    missed = ["target"] if not all(model["meets_target"] for model in models) else []
    table = Columns(
        *("model", quality, "change\n(points)", "MACs", "parameters", *dense_costs, "before\nfine-tuning", *missed),
        left=("model", *missed),
    )
    table.add_row(
        *("dense", f"{dense['accuracy']:.2%}", "", f"{dense['macs']:,}", f"{dense['params']:,}"),
        *(f"{cost:,.4g}" for cost in dense_costs.values()),
        *("", *("" for _ in missed)),
    )
    for model in models:
        table.add_row(
            model["target"],
            f"{model['accuracy']:.2%}",
            f"{100 * (model['accuracy'] - dense['accuracy']):+.2f}",
            f"{model['macs']:,} ({1 - model['macs_cut']:.1%})",
            f"{model['params']:,} ({1 - model['params_cut']:.1%})",
            *(f"{model['costs'][name]:,.4g} ({model['costs'][name] / cost:.1%})" for name, cost in dense_costs.items()),
            f"{model['accuracy_before_finetune']:.2%}",
            *("met" if model["meets_target"] else "missed" for _ in missed),
        )
    search, rank = summary["search"], summary["rank"]
    facts = (
        f"{search['evaluations']:,} evaluations in {search['seconds']:.1f} s, hypervolume {search['hypervolume']:.3f}",
        f"{rank['schemes']:,} joint schemes, {rank['measured']} networks measured, "
        f"Kendall's tau {rank['kendall_tau']:.2f}",
        f"models: {folder / 'models'}",
        f"front: {folder / 'front.csv'}",
        f"all results: {folder / 'result.json'}",
    )
    heading = Text(printable(f"{summary['name']}: {title} on test images"))
    return Group(heading, Text(), table, Text(), *(Text(printable(fact), overflow="fold") for fact in facts))
