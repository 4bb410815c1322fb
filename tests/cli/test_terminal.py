"""What a run shows while it runs: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from loguru import logger
from rich.console import Console

from emopms.cli.tables import Columns
from emopms.cli.terminal import Bars, Lines, LogLines, closing_table, log_format
from emopms.engine.support.log_sinks import logging_to
from tests.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGES = ("pretrain", "evolve/1", "evolve/2", "rank", "finetune/macs-0.5_params-0.6_accuracy_drop-0.01")


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, highlight=False, markup=False, emoji=False)


def shown(console: Console, renderable: Any) -> list[str]:
    with console.capture() as captured:
        console.print(renderable)
    return "".join(
        part.partition("m")[2] if number else part for number, part in enumerate(captured.get().split("\x1b["))
    ).splitlines()


@pytest.mark.parametrize("width", [30, 50, 80, 120])
def test_bars_cut_nothing(width: int) -> None:
    console = terminal(width)
    clock = Clock()
    bars = Bars(console, clock)
    bars.begin(dict.fromkeys(STAGES, 10.0))
    for name in STAGES[:-1]:
        bars.stage(name, cached=False)
        bars.stage(name, cached=False, seconds=10.0)
    bars.stage(STAGES[-1], cached=False)
    with bars.track(STAGES[-1], 1200, "epochs") as work:
        clock.now = 10.0
        work.advance("loss 0.123, validation accuracy 98.75%", steps=300)
        lines = shown(console, bars.lines())
    text = " ".join("".join(line.ljust(width) for line in lines).split())
    assert max(map(len, lines)) <= width
    for word in ("300/1200 epochs", "loss 0.123, validation accuracy 98.75%", "stage 5 of 5", "about 30 s left"):
        assert word in text
    assert STAGES[-1] in "".join(line.strip() for line in lines)
    assert len(lines) <= 3 or width < 80


def test_finished_stages_stay_above_the_bars() -> None:
    console = terminal(80)
    with Bars(console) as bars:
        bars.stage("pretrain", cached=True, seconds=1.0)
        bars.stage("evil\x1b[31m", cached=False, seconds=1.26)
    assert isinstance(console.file, io.StringIO)
    written = console.file.getvalue()
    assert "  pretrain               cached\n" in written
    assert "  evil\\x1b[31m           1.3 s\n" in written


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    with logging_to(LogLines(None), level="DEBUG", format=log_format):
        yield


@pytest.mark.usefixtures("lines")
def test_lines_in_a_pipe_are_events_and_never_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Lines()
    progress.begin({"a": 1.0, "b": 3.0})
    progress.stage("a", cached=True, seconds=1.0)
    progress.stage("b", cached=False)
    with progress.track("b", 30, "epochs") as counter:
        for _ in range(30):
            counter.advance("x" * 300)
    progress.stage("b", cached=False, seconds=3.0)
    logger.warning("two\nlines\x1b[31m {}", "{y}")
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "a: cached"
    assert said[1] == f"b: 3/30 epochs, {'x' * 300}"
    assert len(said) == 1 + 10 + 2
    assert said[-2] == "b: 3.0 s (stage 2 of 2 · 0 s so far)"
    assert said[-1] == "two\\nlines\\x1b[31m {y}"


@pytest.mark.usefixtures("lines")
def test_a_traceback_in_the_log_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("\x1b[31m")
    except ValueError as error:
        logger.opt(exception=error).debug("failed")
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "failed"
    assert said[-1] == "ValueError: \\x1b[31m"
    assert len(said) > 3


def table() -> Columns:
    made = Columns(
        "name",
        "MACs",
        "least\nMACs",
        "reason",
        "parameters",
        "evaluations",
        left=("name", "reason"),
        glued=("least\nMACs",),
    )
    made.add_row(
        "stage1.0.conv2.with.a.long.name",
        "1,234,567,890",
        "12.3%",
        "it belongs to a residual stream",
        "98,765,432",
        "≤ 2,116",
    )
    return made


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_tables_cut_nothing(width: int) -> None:
    lines = shown(terminal(width), table())
    assert max(map(len, lines)) <= width
    words = " ".join(" ".join(lines).split())
    for figure in ("1,234,567,890", "12.3%", "98,765,432", "≤ 2,116"):
        assert figure in words


def test_names_wrap() -> None:
    narrow = Columns("name", "MACs", left=("name",))
    narrow.add_row("stage1.0.conv2.with.a.long.name", "1,234,567,890")
    lines = shown(terminal(32), narrow)
    assert "".join(line[:17].strip() for line in lines[1:]) == "stage1.0.conv2.with.a.long.name"
    assert "1,234,567,890" in lines[1]


def test_columns_that_belong_together_stay_together() -> None:
    lines = shown(terminal(40), table())
    row = next(line for line in lines if "1,234,567,890" in line)
    assert "12.3%" in row


@pytest.mark.parametrize("width", [80, 120])
def test_the_closing_table_cuts_nothing(width: int) -> None:
    model: dict[str, Any] = {
        "macs": 20_515_840,
        "params": 137_334,
        "macs_cut": 0.324,
        "params_cut": 0.52,
        "accuracy": 0.9721,
    }
    model |= {"costs": {"macs": 20_515_840.0, "latency": 4.25}, "dense_costs": {"macs": 3e7, "latency": 8.5}}
    summary = {
        "name": "cifar10-resnet20",
        "quality": "accuracy",
        "dense": model | {"accuracy": 0.9777},
        "models": [model | {"target": STAGES[-1][9:], "accuracy_before_finetune": 0.5, "meets_target": False}],
        "search": {"evaluations": 1941, "seconds": 11.5, "hypervolume": 1.711},
        "rank": {"schemes": 69, "measured": 44, "kendall_tau": 0.95},
    }
    folder = Path("/somewhere/with/a/very/long/name/that/needs/more/than/eighty/columns/by/itself/alone/runs/x")
    lines = shown(terminal(width), closing_table(summary, folder))
    words = " ".join(" ".join(lines).split())
    for figure in (
        "20,515,840 (67.6%)",
        "137,334 (48.0%)",
        "97.21%",
        "97.77%",
        "-0.56",
        "50.00%",
        "4.25 (50.0%)",
        "missed",
    ):
        assert figure in words
    assert str(folder / "result.json") in "".join(lines)
    assert max(map(len, lines)) <= width
