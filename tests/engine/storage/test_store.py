"""The store: complete or not there, and one writer at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from loguru import logger

from emopms.engine.storage.sealed import read_sealed, write_sealed
from emopms.engine.storage.store import Store
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from emopms.engine.storage.artefact import Artefact


def test_values_come_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    out = store.begin("evolve/1", "key")
    out.save_tensors("network", {"weight": torch.arange(6.0).view(2, 3).T})
    out.save_arrays("front", genomes=np.eye(3, dtype=np.bool_))
    out.save_json("search", {"evaluations": 3})
    assert store.find("evolve/1", "key").artefact is None, "not complete yet"
    out.complete({"seconds": 1.0})
    found = store.find("evolve/1", "key").artefact
    assert found is not None
    assert torch.equal(found.tensors("network")["weight"], torch.arange(6.0).view(2, 3).T)
    np.testing.assert_array_equal(found.arrays("front")["genomes"], np.eye(3, dtype=np.bool_))
    assert found.json("search") == {"evaluations": 3}
    assert store.find("evolve/1", "other").artefact is None


def _complete(root: Path, stage: str = "stage", key: str = "key") -> Artefact:
    store = Store(root)
    out = store.begin(stage, key)
    out.save_tensors("network", {"weight": torch.zeros(100)})
    out.save_arrays("front", genomes=np.zeros(100))
    out.save_json("search", {"evaluations": 3})
    return out.complete({"seconds": 1.0})


def _damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.unlink()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif how == "foreign":
        path.write_bytes(b"something else")
    elif how == "a folder":
        path.mkdir()


FILES = ["network.safetensors", "front.npz", "search.json"]
DAMAGES = ["missing", "truncated", "flipped", "foreign", "a folder"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", DAMAGES)
def test_what_changes_while_it_is_in_use_is_named(tmp_path: Path, name: str, how: str) -> None:
    found = _complete(tmp_path)
    path = found.folder / name
    _damage(path, how)
    read: Callable[[str], object] = {"network": found.tensors, "front": found.arrays, "search": found.json}[path.stem]
    with pytest.raises(StoreError, match=name.replace(".", r"\.")) as caught:
        read(path.stem)
    assert caught.value.remedy


@pytest.mark.parametrize("name", [*FILES, "meta.json"])
@pytest.mark.parametrize("how", DAMAGES)
def test_a_complete_artefact_that_changed_since_is_made_again(tmp_path: Path, name: str, how: str) -> None:
    store = Store(tmp_path)
    folder = _complete(tmp_path).folder
    (folder / "notes.txt").write_text("mine")
    assert store.find("stage", "key").artefact is not None, "files that are not the stage's do no harm"
    _damage(folder / name, how)
    gone = (how, name) == ("missing", "meta.json")
    assert store.status("stage", "key").state == ("begun" if gone else "damaged")
    with warnings() as said:
        assert store.find("stage", "key").artefact is None
    assert gone or (len(said) == 1 and str(folder / name) in said[0])
    assert store.status("stage", "key").state == "begun"
    assert (folder / "notes.txt").read_text() == "mine", "nothing else is lost"
    _complete(tmp_path)
    assert store.find("stage", "key").artefact is not None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda meta: meta.update(format=2), "another version"),
        (lambda meta: meta.update(key="key of another spec"), "another stage"),
        (lambda meta: meta.update(stage="other"), "another stage"),
    ],
)
def test_what_is_not_ours_to_read_is_made_again(
    tmp_path: Path, change: Callable[[dict[str, object]], None], why: str
) -> None:
    path = _complete(tmp_path).folder / "meta.json"
    meta = read_sealed(path)
    change(meta)
    write_sealed(path, meta)
    with warnings() as said:
        assert Store(tmp_path).find("stage", "key").artefact is None
    assert why in said[0]


def test_recorded_facts_cannot_be_changed(tmp_path: Path) -> None:
    path = _complete(tmp_path).folder / "meta.json"
    path.write_text(path.read_text().replace('"seconds": 1.0', '"seconds": 2.0'))
    assert Store(tmp_path).status("stage", "key").state == "damaged"


@contextmanager
def warnings() -> Iterator[list[str]]:
    said: list[str] = []
    sink = logger.add(lambda line: said.append(str(line)), level="WARNING", format="{message}")
    try:
        yield said
    finally:
        logger.remove(sink)


def test_what_happens_under_the_lock_is_not_blamed_on_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine"), Store(tmp_path / "store").lock():
        raise OSError("mine")


@pytest.mark.slow
def test_a_second_holder_is_refused_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with (
        store.lock(),
        pytest.raises(StoreError, match=f"running in .*: process {os.getpid()} on .*, since 20"),
        Store(tmp_path / "store").lock(),
    ):
        pass
    code = (
        "import os, sys; from pathlib import Path; from emopms.engine.storage.store import Store; "
        "Store(Path(sys.argv[1])).lock().__enter__(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "store")], check=False).returncode == 9
    with store.lock():
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used"), Store(tmp_path / "file" / "store").lock():
        pass


@pytest.mark.parametrize("content", ["[]", "1", "null", '"text"'])
def test_a_record_of_another_kind_is_damage(tmp_path: Path, content: str) -> None:
    path = _complete(tmp_path).folder / "meta.json"
    path.write_text(content)
    assert Store(tmp_path).status("stage", "key").state == "damaged"


def test_an_incomplete_stage_says_which_files_are_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    out = store.begin("stage", "key")
    out.save_json("search", {})
    (out.folder / "notes.txt").write_text("mine")
    own = {"search.json", "meta.json", "begun.json"}
    assert store.files(out.folder) == own
    assert store.status("stage", "key").state == "begun"
    out.complete({})
    assert store.files(out.folder) == own
    assert not (out.folder / "begun.json").exists()
    assert store.files(tmp_path / "stage" / "other") == frozenset()
    (out.folder / "meta.json").write_text("{}")
    assert store.files(out.folder) == frozenset(), "what is damaged vouches for nothing"


def test_what_the_latest_run_is_made_of(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.read_plan() is None
    store.write_plan({"stage": "key"})
    assert store.read_plan() == {"stage": "key"}
    path = tmp_path / "plan.json"
    path.write_text(path.read_text().replace('"key"', '"kez"'))
    with pytest.raises(StoreError, match=r"plan\.json cannot be read: changed"):
        store.read_plan()


def test_what_stands_where_a_stage_belongs_is_named_and_left_alone(tmp_path: Path) -> None:
    path = Store(tmp_path).folder("stage", "key")
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(StoreError, match="is no folder") as caught:
        Store(tmp_path).find("stage", "key")
    assert "remove or rename" in caught.value.remedy
    assert path.read_text() == "mine"


def test_a_folder_with_files_of_others_is_never_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = _complete(tmp_path).folder / "meta.json"
    path.unlink()
    path.mkdir()
    (path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"meta\.json is damaged and cannot be removed"):
        store.find("stage", "key")
    with pytest.raises(StoreError, match=r"meta\.json cannot be written"):
        _complete(tmp_path)
    assert (path / "notes.txt").read_text() == "mine"


def test_what_is_put_into_the_scratch_folder_stays(tmp_path: Path) -> None:
    out = Store(tmp_path).begin("stage", "key")
    out.journal("checkpoints").put(0, {"weight": torch.zeros(1)})
    mine = out.folder / "scratch" / "checkpoints" / "notes.txt"
    mine.write_text("mine")
    out.complete({})
    assert list(out.folder.glob("scratch/*/*")) == [mine]


def test_a_removed_lock_file_ends_the_run_that_held_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.lock():
        out = store.begin("stage", "key")
        (tmp_path / "store" / "lock").unlink()
        with pytest.raises(StoreError, match="was removed while this process was running"):
            out.save_json("search", {})
        with pytest.raises(StoreError, match="was removed"):
            store.begin("next", "key")


def test_a_live_process_whose_lock_file_was_removed_still_keeps_others_out(tmp_path: Path) -> None:
    root = tmp_path / "store"
    code = (
        "import sys, time; from pathlib import Path; from emopms.engine.storage.store import Store\n"
        "with Store(Path(sys.argv[1])).lock(): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        (root / "lock").unlink()
        with pytest.raises(StoreError, match=f"running in .*: process {process.pid} on"), Store(root).lock():
            pass
    finally:
        process.kill()
        process.communicate()
    with Store(root).lock():
        pass


@pytest.mark.parametrize("name", ["meta.json", "network.safetensors"])
@pytest.mark.parametrize("how", ["pipe", "sparse", "device"])
def test_what_could_be_read_for_ever_is_damage(tmp_path: Path, name: str, how: str) -> None:
    path = _complete(tmp_path).folder / name
    path.unlink()
    if how == "pipe":
        os.mkfifo(path)
    elif how == "sparse":
        path.touch()
        os.truncate(path, 2**40)
    else:
        path.symlink_to("/dev/zero")
    assert Store(tmp_path).status("stage", "key").state == "damaged"


@pytest.mark.parametrize("how", ["pipe", "sparse", "device"])
def test_a_plan_that_could_be_read_for_ever_is_named(tmp_path: Path, how: str) -> None:
    path = tmp_path / "plan.json"
    if how == "pipe":
        os.mkfifo(path)
    elif how == "sparse":
        path.touch()
        os.truncate(path, 2**40)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(StoreError, match=r"plan\.json cannot be read"):
        Store(tmp_path).read_plan()
    assert not Store(tmp_path).is_marked()


def test_files_that_something_else_writes_belong_to_the_stage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    out = store.begin("export", "key")
    for content in ("first", "second"):  # an attempt that was interrupted, and the next one
        with out.folder_for("models/macs-0.5") as folder:
            assert list(folder.iterdir()) == []
            (folder / "deep").mkdir()
            (folder / "deep" / "model.bin").write_text(content)
    artefact = out.complete({})
    assert artefact.files == ["models/macs-0.5/deep/model.bin"]
    assert artefact.content("models/macs-0.5/deep/model.bin") == b"second"
    assert not list(tmp_path.rglob("*.unfinished"))


@pytest.mark.parametrize("name", ["plan.json", "published.json", "goods.txt"])
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "store"
    root.mkdir()
    (root / name).write_text("mine")
    with pytest.raises(StoreError, match=f"holds files that emopms did not write: {name}"), Store(root).lock():
        pass
    assert [path.name for path in root.iterdir()] == [name]
    assert (root / name).read_text() == "mine"
