"""``emopms runs`` and ``emopms runs clean`` as a user meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emopms.cli.output import printable
from emopms.cli.tables import size
from emopms.engine.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Shown


def _run(folder: Path, *, finished: bool = True, stale: int = 0) -> Path:
    store = Store(folder / "store")
    store.write_plan({"pretrain": "key", "export": "key"})
    for stage, key in [("pretrain", "key"), *(("pretrain", f"old {number}") for number in range(stale))]:
        out = store.begin(stage, key)
        out.save_json("score", {"accuracy": 0.5})
        out.complete({"seconds": 1.0})
    if finished:
        store.begin("export", "key").complete({"seconds": 1.0})
        (folder / "result.json").write_text("{}")
    return folder


def _row(text: str, first: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(first))


def test_the_list(emopms: Callable[..., Shown], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _run(tmp_path / "runs" / "b-done")
    _run(tmp_path / "runs" / "a-begun", finished=False, stale=1)
    _run(tmp_path / "runs" / "c-hurt")
    next((tmp_path / "runs" / "c-hurt").glob("store/pretrain/*/score.json")).unlink()
    with Store(_run(tmp_path / "runs" / "d-running") / "store").lock():
        code, out, err = emopms("runs")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    lines = [line.partition(" ")[0] for line in out.splitlines()]
    assert lines == ["run", "a-begun", "b-done", "c-hurt", "d-running", "total"]
    assert "interrupted (1 of 2 stages)" in _row(out, "a-begun")
    assert not _row(out, "a-begun").rstrip().endswith(" 0 B")
    assert "finished  " in _row(out, "b-done")
    assert _row(out, "b-done").rstrip().endswith(" 0 B")
    assert "damaged (store/pretrain/key/score.json: No such file or directory)" in _row(out, "c-hurt")
    assert "running (process " in _row(out, "d-running")
    assert emopms("runs", "runs/b-done").out.splitlines()[1].startswith("b-done ")


def test_runs_of_a_comparison(emopms: Callable[..., Shown], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    compared = tmp_path / "runs" / "one-comparison"
    for seed in (0, 1):
        _run(compared / f"one-seed-{seed}", stale=seed)
    _run(tmp_path / "runs" / "notes" / "mine")
    code, out, err = emopms("runs")
    assert (code, out, err) == (0, "no run directories in runs\n", ""), "two folders of somebody"
    (compared / "comparison.json").write_text("{}")
    lines = [line.partition(" ")[0] for line in emopms("runs").out.splitlines()]
    assert lines == ["run", "one-comparison/one-seed-0", "one-comparison/one-seed-1", "total"]
    assert "runs/one-comparison/one-seed-1/store/pretrain/old 0" in emopms("runs", "clean").out
    assert emopms("runs", compared).out.splitlines()[1].startswith("one-seed-0 ")


def test_before_the_first_run(emopms: Callable[..., Shown], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert emopms("runs") == (0, "no runs yet: `emopms run` writes them to runs/\n", "")
    assert emopms("runs", "clean").code == 0
    assert "elsewhere cannot be read" in emopms("runs", "elsewhere").err


def test_cleaning(emopms: Callable[..., Shown], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = _run(tmp_path / "runs" / "one", stale=2)
    held = _run(tmp_path / "runs" / "two", stale=1)
    with Store(held / "store").lock():
        code, dry, err = emopms("runs", "clean")
        assert (code, err) == (0, "")
        assert "  runs/one/store/pretrain/old 0  2 files, not of the latest run\n" in dry
        assert "runs/two: in use (process " in dry
        assert "Nothing has been removed. To remove the files, add --yes." in dry
        assert len(list(run.glob("store/pretrain/*"))) == 3
        assert not (run / "store" / "lock").exists()
        code, done, err = emopms("runs", "clean", "--yes", "runs")
    assert (code, err) == (0, "")
    assert done.splitlines()[:-1] == dry.splitlines()[:-1]
    assert done.splitlines()[-1].endswith(" freed")
    assert [path.name for path in run.glob("store/pretrain/*")] == ["key"]
    assert len(list(held.glob("store/pretrain/*"))) == 2
    assert emopms("runs", "clean", run) == (0, "nothing to remove\n", "")
    assert emopms("runs", "clean", run, "--yes") == (0, "0 B freed\n", "")


def test_a_run_without_a_plan_says_why_it_keeps_all(emopms: Callable[..., Shown], tmp_path: Path) -> None:
    (_run(tmp_path, stale=1) / "store" / "plan.json").unlink()
    code, out, _ = emopms("runs", "clean", tmp_path, "--yes")
    assert (code, len(list(tmp_path.glob("store/pretrain/*")))) == (0, 2)
    assert f"{tmp_path}: all stages stay: there is no store/plan.json" in out


@pytest.mark.parametrize("words", [("runs",), ("runs", "clean"), ("runs", "clean", "--yes")])
def test_no_run_directories(emopms: Callable[..., Shown], tmp_path: Path, words: tuple[str, ...]) -> None:
    assert emopms(*words, tmp_path) == (0, f"no run directories in {tmp_path}\n", "")
    (tmp_path / "file").touch()
    for wrong in ("none", "file"):
        code, out, err = emopms(*words, tmp_path / wrong)
        assert (code, out) == (3, "")
        assert f"{tmp_path / wrong} cannot be read: " in err
        assert len(err.splitlines()) == 2, "and a remedy"


def test_wrong_words(emopms: Callable[..., Shown]) -> None:
    for words in (("--yes",), ("clean", "a", "b")):
        assert emopms("runs", *words).code == 2


def test_odd_names_stay_on_their_lines(emopms: Callable[..., Shown], tmp_path: Path) -> None:
    _run(tmp_path / "[red]\x1b\n\udcff")
    assert "[red]\\x1b\\n\\udcff" in emopms("runs", tmp_path).out
    assert printable("größe") == "größe"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1536, "1.5 KiB"), (12 * 2**30, "12.0 GiB"), (2**52, "4,096.0 TiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
