"""The store: complete or not there, and one writer at a time."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from emopms.engine.store import Store
from emopms.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def test_values_come_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    out = store.begin("evolve/1", "key")
    out.save_tensors("network", {"weight": torch.arange(6.0).view(2, 3).T})
    out.save_arrays("front", genomes=np.eye(3, dtype=np.bool_))
    out.save_json("search", {"evaluations": 3})
    assert store.find("evolve/1", "key") is None, "not complete yet"
    store.complete(out, {"seconds": 1.0})
    found = store.find("evolve/1", "key")
    assert found is not None
    assert torch.equal(found.tensors("network")["weight"], torch.arange(6.0).view(2, 3).T)
    np.testing.assert_array_equal(found.arrays("front")["genomes"], np.eye(3, dtype=np.bool_))
    assert found.json("search") == {"evaluations": 3}
    assert store.find("evolve/1", "other") is None


def test_pickled_arrays_are_not_read(tmp_path: Path) -> None:
    out = Store(tmp_path).begin("stage", "key")
    np.savez(out.folder / "bad.npz", payload=np.array([{"a": 1}], dtype=object))
    with pytest.raises(StoreError, match=r"bad\.npz cannot be read"):
        out.arrays("bad")


@pytest.mark.parametrize("name", ["network.safetensors", "front.npz", "search.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_damaged_files_are_named(tmp_path: Path, name: str, damage: str) -> None:
    out = Store(tmp_path).begin("stage", "key")
    out.save_tensors("network", {"weight": torch.zeros(100)})
    out.save_arrays("front", genomes=np.zeros(100))
    out.save_json("search", {"evaluations": 3})
    path = out.folder / name
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    read = {"network": out.tensors, "front": out.arrays, "search": out.json}[path.stem]
    with pytest.raises(StoreError, match=name.replace(".", r"\.")) as caught:
        read(path.stem)
    assert str(out.folder) in caught.value.remedy


@pytest.mark.parametrize("damage", ["flipped", "truncated", "deleted", "added", "no record"])
def test_a_complete_artefact_that_changed_since_is_made_again(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    out = store.begin("stage", "key")
    out.save_json("score", {"loss": 1.0})
    store.complete(out, {"seconds": 1.0})
    assert store.find("stage", "key") is not None
    path = out.folder / "score.json"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[3] ^= 1
        path.write_bytes(content)
    elif damage == "truncated":
        path.write_bytes(content[:5])
    elif damage == "deleted":
        path.unlink()
    elif damage == "added":
        (out.folder / "foreign").touch()
    else:
        (out.folder / "meta.json").write_text("{}")
    assert store.find("stage", "key") is None
    assert not store.begin("stage", "key").has("score.json"), "nothing of it is left to be continued"


def test_what_happens_under_the_lock_is_not_blamed_on_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine"), Store(tmp_path / "store").lock():
        raise OSError("mine")


def test_a_second_holder_is_refused_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.lock(), pytest.raises(StoreError, match="Another emopms process"), Store(tmp_path / "store").lock():
        pass
    code = (
        "import os, sys; from pathlib import Path; from emopms.engine.store import Store; "
        "Store(Path(sys.argv[1])).lock().__enter__(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "store")], check=False).returncode == 9
    with store.lock():
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used"), Store(tmp_path / "file" / "store").lock():
        pass
