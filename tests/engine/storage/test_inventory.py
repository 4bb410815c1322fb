"""Run directories: how they stand, what may go from them, and that nothing else ever goes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import emopms
from emopms.engine.storage.atomic import unfinished_name
from emopms.engine.storage.cleanup import clean, find_removable
from emopms.engine.storage.inventory import find_runs, inspect_run
from emopms.engine.storage.lock import lock_holder
from emopms.engine.storage.outputs import Outputs
from emopms.engine.storage.store import Store
from emopms.errors import StoreError
from tests.engine.conftest import stages, tiny

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAN = {"pretrain": "a" * 64, "evolve/1": "b" * 64}


def _stage(folder: Path, stage: str, key: str, *, complete: bool = True) -> Path:
    """A stage as it is left: complete, or interrupted with a result and a checkpoint."""
    store = Store(folder / "store")
    out = store.begin(stage, key)
    out.save_tensors("network", {"weight": torch.zeros(100)})
    out.journal("checkpoints").put(3, {"weight": torch.zeros(10)})
    if complete:
        out.save_json("score", {"accuracy": 0.5})
        out.complete({"seconds": 1.0})
    return out.folder


def _run(folder: Path, *, done: int = 2, plan: bool = True) -> Path:
    for stage, key in list(PLAN.items())[:done]:
        _stage(folder, stage, key)
    if plan:
        Store(folder / "store").write_plan(PLAN)
    return folder


def _files(folder: Path) -> dict[str, bytes]:
    """All that is there, and what it holds."""
    return {
        str(path.relative_to(folder)): b"" if path.is_dir() or path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.relative_to(folder).parts not in (("store", "lock"), ("store", "emopms.json"))
    }


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A run directory that another process holds."""
    code = (
        "import sys, time; from pathlib import Path; from emopms.engine.storage.store import Store\n"
        "with Store(Path(sys.argv[1])).lock(): print('held', flush=True); time.sleep(60)"
    )
    folder = _run(tmp_path / "held", done=1)
    process = subprocess.Popen([sys.executable, "-c", code, str(folder / "store")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield folder
    process.kill()
    process.communicate()


def test_states(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", done=1)
    assert (inspect_run(run).state, inspect_run(run).detail) == ("interrupted", "1 of 2 stages")
    _run(run)
    assert inspect_run(run).state == "interrupted", "what it promises has not been written yet"
    (run / "result.json").write_text("{}")
    os.utime(run / "result.json", (1e9, 1e9))
    found = inspect_run(run)
    assert (found.state, found.detail) == ("finished", "")
    assert found.touched is not None
    assert found.touched.timestamp() == 1e9
    assert found.size == sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    (path,) = run.glob("store/evolve-1/*/score.json")
    path.write_text("{}")
    assert (inspect_run(run).state, inspect_run(run).detail) == ("damaged", f"{path.relative_to(run)}: changed")


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("Training diverged.", ("failed", "1 of 2 stages, Training diverged")),
        ("interrupted", ("interrupted", "1 of 2 stages")),
        ("", ("interrupted", "1 of 2 stages")),
        ("complete", ("interrupted", "1 of 2 stages")),
        (None, ("interrupted", "1 of 2 stages")),
    ],
)
def test_how_an_unfinished_run_ended(tmp_path: Path, outcome: object, state: tuple[str, str]) -> None:
    run = _run(tmp_path / "run", done=1)
    (run / "store" / "progress.json").write_text(json.dumps({"outcome": outcome}))
    found = inspect_run(run)
    assert (found.state, found.detail) == state


def test_a_changed_spec_that_was_interrupted_is_not_finished(tmp_path: Path) -> None:
    run = _run(tmp_path)
    (run / "result.json").write_text("{}")
    Store(run / "store").write_plan(PLAN | {"evolve/1": "c" * 64})
    found = inspect_run(run)
    assert (found.state, found.detail) == ("interrupted", "1 of 2 stages, with the models of an earlier run")


@pytest.mark.parametrize("finished", [False, True])
def test_without_a_plan(tmp_path: Path, finished: bool) -> None:
    (tmp_path / "store").mkdir()
    if finished:
        (tmp_path / "result.json").write_text("{}")
    assert inspect_run(tmp_path).state == ("finished" if finished else "interrupted")


@pytest.mark.slow
def test_a_running_one_is_named_and_left_alone(elsewhere: Path) -> None:
    _stage(elsewhere, "pretrain", "old")
    before = _files(elsewhere)
    found = inspect_run(elsewhere)
    assert found.state == "running"
    assert "process " in found.detail
    assert found.detail.endswith("1 of 2 stages")
    assert found.cleanup.removable == ()
    assert "in use (process" in found.cleanup.kept[0]
    with pytest.raises(StoreError, match="Another emopms process"):
        clean(elsewhere)
    assert _files(elsewhere) == before


def test_looking_writes_nothing_and_turns_no_run_away(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    inspect_run(run)
    assert not (run / "store" / "lock").exists()
    with Store(run / "store").lock():
        pass
    before = {path: path.stat() for path in run.rglob("*")}
    inspect_run(run)
    assert {path: path.stat() for path in run.rglob("*")} == before
    code = (
        "import sys; from pathlib import Path; from emopms.engine.storage.lock import lock_holder; print(flush=True)\n"
        "while True: lock_holder(Path(sys.argv[1]))"
    )
    asking = subprocess.Popen([sys.executable, "-c", code, str(run / "store")], stdout=subprocess.PIPE)
    try:
        assert asking.stdout is not None
        asking.stdout.readline()
        for _ in range(20):
            with Store(run / "store").lock():
                pass
    finally:
        asking.kill()
        asking.communicate()
    assert lock_holder(run / "store") == "", "the dead hold nothing"


def test_what_there_is(tmp_path: Path) -> None:
    for name in ("b", "a"):
        _run(tmp_path / name)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "result.json").write_text('{"name": "c", "models": [], "stages": []}')
    (tmp_path / "shop" / "store").mkdir(parents=True)
    (tmp_path / "exam").mkdir()
    (tmp_path / "exam" / "result.json").write_text('{"name": "me", "passed": true}')
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").touch()
    assert [folder.name for folder in find_runs(tmp_path)] == ["a", "b", "c"]
    assert find_runs(tmp_path / "a") == [tmp_path / "a"]
    assert find_runs(tmp_path / "notes") == []
    for wrong in ("none", "file", "\0"):
        with pytest.raises(StoreError, match="cannot be read") as caught:
            find_runs(tmp_path / wrong)
        assert caught.value.remedy


def test_what_nothing_needs_goes(tmp_path: Path) -> None:
    run = _run(tmp_path, done=1)
    begun = _stage(run, "evolve/1", PLAN["evolve/1"], complete=False)
    needed = _files(run)
    _stage(run, "pretrain", "of another spec")
    _stage(run, "finetune/gone", "of another spec", complete=False)
    left = run / "store" / "pretrain" / ("a" * 16)
    (left / "scratch" / "checkpoints").mkdir(parents=True)
    shutil.copy(next(begun.glob("scratch/*/*")), left / "scratch" / "checkpoints")
    export = begun / unfinished_name("models-macs-0.5")
    export.mkdir()
    model, csv, plan = unfinished_name("model.bin"), unfinished_name("front.csv"), unfinished_name("plan.json")
    (run / "models" / "macs-0.5").mkdir(parents=True)
    half = (run / "models" / "macs-0.5" / model, run / csv, run / "store" / plan, export / "model.onnx")
    for path in (*half, begun / unfinished_name("search.npz")):
        path.write_text("half")
    before = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    found = find_removable(run)
    assert {(str(removable.path), removable.why) for removable in found.removable} == {
        ("models", "left by a process that was killed"),
        (csv, "left by a process that was killed"),
        (f"store/{plan}", "left by a process that was killed"),
        (f"{begun.relative_to(run)}", "left by a process that was killed"),
        (f"{left.relative_to(run)}", "left by a process that was killed"),
        ("store/pretrain/of another spec"[: len("store/pretrain/") + 16], "not of the latest run"),
        ("store/finetune-gone/of another spec"[: len("store/finetune-gone/") + 16], "not of the latest run"),
    }
    assert found.kept == ()
    assert clean(run) == found
    assert _files(run) == needed
    added = sum((run / "store" / name).stat().st_size for name in ("lock", "emopms.json"))
    assert before - found.size == sum(path.stat().st_size for path in run.rglob("*") if path.is_file()) - added
    assert find_removable(run).removable == ()


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"format": 1, "stages": {}}', b"\xff"])
def test_without_a_plan_that_can_be_relied_on_all_stages_stay(tmp_path: Path, content: bytes | None) -> None:
    run = _run(tmp_path, plan=content is not None)
    if content is not None:
        (run / "store" / "plan.json").write_bytes(content)
    before = _files(run)
    (run / unfinished_name("front.csv")).touch()
    (run / "front.csv.unfinished").touch()
    before |= {"front.csv.unfinished": b""}
    found = find_removable(run)
    assert [str(removable.path) for removable in found.removable] == [unfinished_name("front.csv")]
    assert "all stages stay" in found.kept[0]
    clean(run)
    assert _files(run) == before


def test_a_plan_of_another_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _run(tmp_path)
    with monkeypatch.context() as later:
        later.setattr("emopms.engine.storage.store.FORMAT", 2)
        Store(run / "store").write_plan({"pretrain": "new"})
    assert find_removable(run).removable == ()
    assert "another version" in find_removable(run).kept[0]


def test_links_are_neither_followed_nor_removed(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    elsewhere = _run(tmp_path / "elsewhere")
    (run / "store" / "pretrain" / "old").symlink_to(next(elsewhere.glob("store/pretrain/*")))
    (run / "store" / "old").symlink_to(elsewhere / "store" / "pretrain")
    (run / "models.unfinished").symlink_to(elsewhere)
    stale = _stage(run, "pretrain", "stale")
    (stale / "network.safetensors").rename(elsewhere / "kept.safetensors")
    (stale / "network.safetensors").symlink_to(elsewhere / "kept.safetensors")
    before = _files(elsewhere)
    clean(run)
    assert _files(elsewhere) == before
    assert (run / "store" / "pretrain" / "old").is_symlink()
    assert (run / "store" / "old").is_symlink()
    assert (stale / "network.safetensors").is_symlink()
    (tmp_path / "link").symlink_to(run)
    _stage(run, "pretrain", "stale again")
    assert find_removable(tmp_path / "link").removable == ()
    assert find_runs(tmp_path / "link") == [run], "named, it is meant"


NAMES = st.text("ab.é ", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
ODD = st.sampled_from(["a.unfinished", "notes.json", "model.safetensors", "lock.bak", "result.json.bak", "scratch"])
STAGE = st.sampled_from([("store", "pretrain", "a" * 16), ("store", "pretrain", "stale"), ("store", "pretrain")])
PLACES = st.one_of(st.sampled_from([(), ("models",), ("store",)]), STAGE, STAGE.map(lambda path: (*path, "scratch")))
PATHS = st.builds(lambda place, name: PurePath(*place, *name), PLACES, st.lists(NAMES | ODD, min_size=1, max_size=2))


@given(st.lists(PATHS, max_size=8))
def test_whatever_else_is_strewn_into_a_run_directory_stays(paths: list[PurePath]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = _run(Path(folder))
        stale = _stage(run, "pretrain", "stale", complete=len(paths) % 2 == 0)
        strewn = {}
        for path in paths:
            try:
                (run / path).parent.mkdir(parents=True, exist_ok=True)
                with (run / path).open("x") as file:
                    file.write("mine")
            except (OSError, FileExistsError):
                continue  # something is there
            strewn[run / path] = "mine"
        before = _files(run)
        clean(run)
        assert {path: path.read_text() for path in strewn} == strewn
        gone = {run / path for path in before.keys() - _files(run).keys()}
        assert all(path == stale or stale in path.parents for path in gone)
        assert all(Store(run / "store").status(stage, key).state == "complete" for stage, key in PLAN.items())


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_clean_that_is_killed_leaves_a_valid_store_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    run = _run(tmp_path)
    needed = _files(run)
    assert len(list(_stage(run, "pretrain", "old").iterdir())) == 3
    unlink, left = Path.unlink, iter(range(after))

    def fail(path: Path, missing_ok: bool = False) -> None:
        if next(left, None) is None:
            raise OSError("killed")
        unlink(path, missing_ok)

    with monkeypatch.context() as killing:
        killing.setattr(Path, "unlink", fail)
        with pytest.raises(StoreError, match="cannot be removed: killed"):
            clean(run)
    store = Store(run / "store")
    assert store.status("pretrain", "old").state == "begun"
    assert all(store.status(stage, key).state == "complete" for stage, key in PLAN.items())
    clean(run)
    assert _files(run) == needed


def test_a_folder_that_emopms_did_not_make_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    entry = folder / "store" / "oranges" / ("a" * 16) / "scratch" / "2026"
    entry.mkdir(parents=True)
    (entry / f"000001-{'0' * 32}.safetensors").write_text("mine")
    (folder / unfinished_name("models")).write_text("mine")
    (folder / "store" / "plan.json").write_text('{"stages": {}}')
    before = _files(folder)
    assert find_removable(folder).removable == ()
    assert "everything stays" in find_removable(folder).kept[0]
    assert clean(folder).removable == ()
    assert _files(folder) == before
    assert not (folder / "store" / "lock").exists()


def test_models_of_earlier_runs_are_removable_unless_they_were_changed(tmp_path: Path) -> None:
    run = _run(tmp_path)
    outputs = Outputs(run)
    outputs.publish({"models/a/model.bin": b"1", "models/b/model.bin": b"1", "result.json": b"{}"}, {"export": "old"})
    outputs.publish({"result.json": b"{}"}, PLAN)
    assert inspect_run(run).state == "finished"
    (run / "models" / "b" / "model.bin").write_bytes(b"trained further")
    (run / "models" / "a" / "notes.txt").write_bytes(b"mine")
    assert [(str(r.path), r.why) for r in clean(run).removable] == [("models/a", "of an earlier run")]
    assert sorted(path.name for path in run.glob("models/*/*")) == ["model.bin", "notes.txt"]


def test_outputs_of_two_runs_are_not_finished(tmp_path: Path) -> None:
    run = _run(tmp_path)
    Outputs(run).publish({"result.json": b"{}"}, {"export": "of another run"})
    assert inspect_run(run).state == "interrupted"
    Outputs(run).publish({"result.json": b"{}"}, PLAN)
    assert inspect_run(run).state == "finished"
    (run / "result.json").write_text("[]")
    assert (inspect_run(run).state, inspect_run(run).detail) == ("damaged", "result.json: changed")


@pytest.mark.slow
def test_after_cleaning_a_run_takes_every_stage_from_the_store(finished: emopms.Result, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.folder, run)
    emopms.run(tiny(finetune={"epochs": 0}), run_dir=run, device="cpu")
    latest = emopms.run(tiny(), run_dir=run, device="cpu")
    assert all(stages(latest).values())
    assert inspect_run(run).state == "finished"
    found = clean(run)
    assert {removable.path.parts[1] for removable in found.removable} == {
        "finetune-macs-0.6",
        "breakdown-macs-0.6",
        "export-macs-0.6",
    }
    assert found.kept == ()
    assert all(stages(emopms.run(tiny(), run_dir=run, device="cpu")).values())
    assert find_removable(run).removable == ()
