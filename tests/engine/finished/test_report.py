"""The report of finished runs, made again."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from emopms.engine.finished.new_file import write_new
from emopms.engine.finished.report import report
from emopms.errors import CommandError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    import emopms


def data(file: Path) -> list[Any]:
    (found,) = re.findall(r'id="data">(.*?)</script>', file.read_text(encoding="utf-8"), re.DOTALL)
    stories: list[Any] = json.loads(found)
    return stories


def test_a_run_writes_its_report_and_it_can_be_made_again(finished: emopms.Result, tmp_path: Path) -> None:
    written = data(finished.folder / "report.html")
    (again,) = data(report([finished.folder], tmp_path / "again.html"))
    assert again.pop("path") == str(finished.folder), "for its commands, which the other finds by its place"
    assert [story | {"path": None} for story in written] == [again | {"path": None}]


def test_it_tells_of_every_scheme_layer_and_search(finished: emopms.Result) -> None:
    (story,) = data(finished.folder / "report.html")
    assert [point["scheme"] for point in story["points"]] == [point.scheme for point in finished.front]
    assert [point["widths"] for point in story["points"]] == finished.widths.tolist()
    assert story["knee"] == finished.front.knee.scheme
    assert [search["name"] for search in story["searches"]] == ["evolve/1", "evolve/2", "evolve/3", "refine"]
    for search in story["searches"]:
        counts, volumes = np.array(search["history"]).T
        assert (np.diff(counts) >= 0).all()
        assert (np.diff(volumes) >= 0).all()
        assert (len(search["front"]) > 1) == search["name"].startswith("evolve/")


def test_widths_are_those_of_the_models(finished: emopms.Result) -> None:
    (model,) = finished.summary["models"]
    row = [point.scheme for point in finished.front].index(model["scheme"])
    assert finished.widths[row].tolist() == [layer["kept_channels"] for layer in model["layers"]]
    names = [(layer["name"], layer["subnetwork"], layer["channels"]) for layer in model["layers"]]
    assert [tuple(layer.values()) for layer in finished.summary["layers"]] == names


def test_several_runs(finished: emopms.Result, tmp_path: Path) -> None:
    other = shutil.copytree(finished.folder, tmp_path / "other")
    stories = data(report([finished.folder, other], tmp_path / "both.html"))
    assert [story["name"] for story in stories] == [finished.folder.name, "other"]


def test_runs_of_the_same_name_are_told_apart(finished: emopms.Result, tmp_path: Path) -> None:
    runs = [shutil.copytree(finished.folder, tmp_path / parent / "run") for parent in "ab"]
    stories = data(report(runs, tmp_path / "both.html"))
    assert [story["name"] for story in stories] == [str(run) for run in runs]
    assert [story["path"] for story in stories] == [str(run) for run in runs]
    with pytest.raises(CommandError, match="A run is named twice"):
        report([runs[0], runs[0]], tmp_path / "twice.html")


def test_accuracy_and_agreement_are_not_laid_over_each_other(finished: emopms.Result, tmp_path: Path) -> None:
    other = shutil.copytree(finished.folder, tmp_path / "other")
    (other / "store" / "published.json").unlink()
    summary = json.loads((other / "result.json").read_text()) | {"quality": "agreement"}
    (other / "result.json").write_text(json.dumps(summary))
    with pytest.raises(CommandError, match="measure accuracy and agreement, which cannot be compared"):
        report([finished.folder, other], tmp_path / "both.html")
    assert not (tmp_path / "both.html").exists()


@pytest.mark.parametrize("content", [None, "", "{", "[1"])
def test_a_manifest_that_cannot_be_read_is_named(finished: emopms.Result, tmp_path: Path, content: str | None) -> None:
    run = shutil.copytree(finished.folder, tmp_path / "run")
    (run / "manifest.json").unlink()
    if content is not None:
        (run / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match=r"manifest\.json or spec\.resolved\.yaml cannot be read"):
        report([run], tmp_path / "report.html")


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, content: Any, /) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def open_full(path: Path, mode: str) -> Full:
        path.touch(exist_ok=False)
        return Full()

    monkeypatch.setattr("pathlib.Path.open", open_full)
    with pytest.raises(StoreError, match="No space left"):
        write_new(tmp_path / "report.html", b"x")
    assert not (tmp_path / "report.html").exists()


def test_searches_that_were_cleaned_away_are_left_out(finished: emopms.Result, tmp_path: Path) -> None:
    run = shutil.copytree(finished.folder, tmp_path / "run")
    shutil.rmtree(run / "store" / "evolve-2")
    (story,) = data(report([run], tmp_path / "report.html"))
    assert [search["name"] for search in story["searches"]] == ["evolve/1", "evolve/3", "refine"]


def test_without_the_ranking_there_are_no_fronts(finished: emopms.Result, tmp_path: Path) -> None:
    run = shutil.copytree(finished.folder, tmp_path / "run")
    shutil.rmtree(run / "store" / "rank")
    (story,) = data(report([run], tmp_path / "report.html"))
    assert [len(search["front"]) for search in story["searches"]] == [0, 0, 0, 0]


def test_no_file_is_overwritten(finished: emopms.Result, tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(StoreError, match=r"mine\.html exists already"):
        report([finished.folder], tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text() == "mine"
    with pytest.raises(StoreError, match="cannot be written"):
        report([finished.folder], tmp_path / "missing" / "report.html")
    with pytest.raises(StoreError, match="holds no finished run"):
        report([tmp_path], tmp_path / "new.html")
    assert not (tmp_path / "new.html").exists()
