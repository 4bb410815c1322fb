"""Shows the progress of a run, as bars on a terminal and as log lines elsewhere, and a table of results at the end."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from loguru import logger
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from emopms.cli.output import printable, tell
from emopms.cli.progress_lines import describe, ended_event, ended_line, present_lines, steps_done
from emopms.cli.tables import Columns, plain
from emopms.engine.support.log_sinks import logging_to
from emopms.engine.support.run_progress import RunProgress
from emopms.spec.target import COUNTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from rich.console import RenderableType

    from emopms.engine.support.progress import Progress


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
        elif moves_the_cursor(console):
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
    lines = LogLines(console if moves_the_cursor(console) else None)
    logger.remove()
    with logging_to(lines, level=level.upper(), format=log_format):
        yield console


def moves_the_cursor(console: Console) -> bool:
    """Return whether bars can be shown: the console is a terminal that can move its cursor."""
    return console.is_terminal and not console.is_dumb_terminal


class Bars(RunProgress):
    """Progress on a terminal: a bar for the current work, and one line for the whole run below it."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._console = console
        self._live = Live(console=console, get_renderable=self.lines, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        super().stage(name, cached=cached, seconds=seconds)
        if seconds is not None:
            self._console.print(ended_line(self.ended[-1]))

    def lines(self) -> RenderableType:
        """Return the lines that show the progress of the run at this moment."""
        return present_lines(self, self._console.width)


class Lines(RunProgress):
    """Shows the progress of a run as log lines: about ten for a stage, whatever the number of its steps."""

    def advance(self, note: str | None = None, *, steps: int = 1) -> None:
        assert self.work is not None
        every = max(1, self.work.total // 10)
        logged = self.work.done // every
        super().advance(note, steps=steps)
        if self.work.done // every > logged or self.work.done == self.work.total:
            logger.info("{}: {}", self.work.label, steps_done(self.work))

    def stage(self, name: str, *, cached: bool, seconds: float | None = None) -> None:
        super().stage(name, cached=cached, seconds=seconds)
        if seconds is not None:
            event = ended_event(self.ended[-1])
            logger.info("{}", event if cached else f"{event} ({describe(self)})")


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
        *(plain(cost) for cost in dense_costs.values()),
        *("", *("" for _ in missed)),
    )
    for model in models:
        table.add_row(
            model["target"],
            f"{model['accuracy']:.2%}",
            f"{100 * (model['accuracy'] - dense['accuracy']):+.2f}",
            f"{model['macs']:,} ({1 - model['macs_cut']:.1%})",
            f"{model['params']:,} ({1 - model['params_cut']:.1%})",
            *(
                f"{plain(model['costs'][name])} ({model['costs'][name] / cost:.1%})"
                for name, cost in dense_costs.items()
            ),
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
