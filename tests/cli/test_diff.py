"""``emopms diff`` as a user meets it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import emopms as package

    from .conftest import Shown


def test_settings_figures_and_models_side_by_side(
    emopms: Callable[..., Shown], finished: package.Result, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished.folder, other)
    spec = other / "spec.resolved.yaml"
    spec.write_text(spec.read_text().replace("generations: 4", "generations: 7"))
    shown = emopms("diff", finished.folder, other)
    assert (shown.code, shown.err) == (0, "")
    lines = [line.split() for line in shown.out.splitlines() if line]
    assert ["algorithm.generations", "4", "7"] in lines
    hypervolume = f"{finished.summary['search']['hypervolume']:.4f}"
    assert [*["hypervolume", "of", "loss", "and", "macs"], hypervolume, hypervolume] in lines
    assert any(line[0] == "macs-0.6" for line in lines)


def test_equal_runs(emopms: Callable[..., Shown], finished: package.Result) -> None:
    assert "The specs are equal." in emopms("diff", finished.folder, finished.folder).out


def test_a_folder_without_a_run(emopms: Callable[..., Shown], finished: package.Result, tmp_path: Path) -> None:
    shown = emopms("diff", finished.folder, tmp_path)
    assert shown.code == 3
    assert "holds no finished run" in shown.err
