"""A run says why it repeats stages: which code changed since the last run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from loguru import logger

from emopms.engine.pipeline.code_changes import log_code_changes
from emopms.engine.pipeline.code_fingerprint import code_by_name
from emopms.engine.pipeline.plan import Planned
from emopms.engine.storage.store import Store
from tests.engine.conftest import tiny
from tests.engine.contexts import stage, tiny_context

if TYPE_CHECKING:
    from pathlib import Path

LAST = {"pretrain": "a", "join": "b", "export/macs-0.6": "c"}


def _said(store: Store, keys: dict[str, str], code: dict[str, str]) -> list[str]:
    said: list[str] = []
    sink = logger.add(said.append, level="INFO", format="{message}")
    context = tiny_context()
    log_code_changes(store, [Planned(stage(name, context), key) for name, key in keys.items()], code)
    logger.remove(sink)
    return said


@pytest.mark.parametrize(
    ("keys", "code", "stages"),
    [
        ({"pretrain": "x", "join": "y", "export/macs-0.6": "z"}, {"net.py": "2"}, "pretrain and all later stages run"),
        ({"pretrain": "a", "join": "y", "export/macs-0.6": "z"}, {"net.py": "2"}, "join and all later stages run"),
        ({"pretrain": "a", "join": "b", "export/macs-0.6": "z"}, {"net.py": "2"}, "export/macs-0.6 runs"),
        (LAST, {"net.py": "2"}, None),
        ({"pretrain": "x", "join": "y", "export/macs-0.6": "z"}, {"net.py": "1"}, None),
        ({"pretrain": "x", "join": "y", "export/macs-0.6": "z"}, {"other.py": "2"}, None),
    ],
)
def test_one_line_if_changed_code_repeats_stages(
    keys: dict[str, str], code: dict[str, str], stages: str | None, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    store.write_plan(LAST, {"net.py": "1"})
    line = f"the code of net.py changed since the last run: {stages} again\n"
    assert _said(store, keys, code) == ([line] if stages else [])


def test_nothing_is_said_without_a_last_run_or_if_the_results_are_there(tmp_path: Path) -> None:
    store, keys = Store(tmp_path), {"pretrain": "x", "join": "y"}
    assert _said(store, keys, {"net.py": "2"}) == []
    (tmp_path / "plan.json").write_text("[]")
    assert _said(store, keys, {"net.py": "2"}) == []
    store.write_plan(LAST, {"net.py": "1"})
    store.begin("pretrain", "x").complete({})
    assert _said(store, keys, {"net.py": "2"}) == []


def test_code_has_the_name_of_its_file_or_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "birdnet_h.py").write_text("def make():\n    pass\n")
    (tmp_path / "my_cost.py").write_text(
        "from typing import Literal\nfrom emopms.builtin.objective.macs import Macs\n\n"
        "class Mine(Macs):\n    name: Literal['mine'] = 'mine'\n"
    )
    spec = tiny(
        plugins=[str(tmp_path / "my_cost.py")],
        backbone={"name": "module", "factory": "birdnet_h:make"},
        objectives=["capability", "mine"],
    )
    assert set(code_by_name(spec)) == {"my_cost.py", "birdnet_h:make"}
    assert code_by_name(tiny()) == {}
