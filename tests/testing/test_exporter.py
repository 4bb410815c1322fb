from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from emopms.api import Exporter
from emopms.testing import ExporterConformance
from tests.testing.broken import Broken, component

CALLS = count()


def exporter(export: Any) -> Any:
    return component(Exporter, export=lambda self, model, folder: export(model, folder))


def write(model: Any, path: Path) -> None:
    path.write_text(f"{model}", encoding="utf-8")


def with_effect(effect: Any) -> Any:
    def export(model: Any, folder: Path) -> None:
        write(model, folder / "model")
        effect(model, folder)

    return exporter(export)


INSIDE, SAME = "writes_into_its_folder_and_nowhere_else", "the_same_files_come_out_each_time"
ALONE = "leaves_the_network_alone"
BROKEN = [
    Broken(INSIDE, exporter(lambda m, f: None), "wrote no file"),
    Broken(INSIDE, exporter(lambda m, f: (f / "model").touch()), "empty files: model"),
    Broken(INSIDE, with_effect(lambda m, f: write(m, f.parent / "model.json")), "outside of its folder: model.json"),
    Broken(INSIDE, with_effect(lambda m, f: write(m, Path("model.json"))), "working-directory/model.json"),
    Broken(SAME, with_effect(lambda m, f: write(m, f / f"model-{next(CALLS)}")), "same network pruned"),
    Broken(ALONE, with_effect(lambda m, f: m.network.train()), "changed the network .*mode of"),
    Broken(ALONE, with_effect(lambda m, f: m.network.requires_grad_(False)), "requires_grad of"),
    Broken(ALONE, with_effect(lambda m, f: m.network.half()), "changed the network"),
    Broken(ALONE, with_effect(lambda m, f: m.example.zero_()), "changed the example"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(ExporterConformance, tmp_path)
