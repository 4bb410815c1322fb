"""Keys change exactly with what a stage depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pytest

from emopms.api import Cost, Task
from emopms.engine.pipeline.plan import plan
from tests.engine.conftest import TINY, tiny

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALL = [
    "pretrain",
    "selectors",
    "constrain",
    "evolve/1",
    "evolve/2",
    "evolve/3",
    "rank",
    "join",
    "refine",
    "measure",
    "finetune/macs-0.6",
    "export",
]


def _keys(fingerprint: str = "data", device: str = "cpu", **changes: Any) -> dict[str, str]:
    spec = tiny(**changes)
    points = spec.split.model_dump()["points"]
    return {step.stage.name: step.key for step in plan(spec, points=points, fingerprint=fingerprint, device=device)}


def _changed(**changes: Any) -> list[str]:
    before = _keys()
    return [name for name, key in _keys(**changes).items() if before.get(name) != key]


def test_stages_follow_their_inputs() -> None:
    spec = tiny()
    seen: set[str] = set()
    for step in plan(spec, points=["stage1", "stage2"], fingerprint="data", device="cpu"):
        assert seen.issuperset(step.stage.inputs)
        seen.add(step.stage.name)
    assert sorted(seen) == sorted(ALL)


def test_no_split_points_make_one_search() -> None:
    found = list(_keys(split=[]))
    assert [name for name in found if name.startswith("evolve/")] == ["evolve/1"]
    assert "refine" not in found, "it would be the same search again"


def test_refining_can_be_left_out() -> None:
    assert "refine" not in _keys(refine=0)


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({}, []),
        ({"seed": 4}, ALL),
        ({"fingerprint": "other"}, ALL),
        ({"device": "cuda"}, []),
        ({"pretrain": TINY["pretrain"] | {"epochs": 5}}, ALL),
        ({"selector": "feature_mse"}, ALL[1:]),
        ({"constraint": "none"}, ALL[2:]),
        ({"algorithm": {"name": "nsga2", "pop_size": 8, "generations": 5}}, ALL[3:]),
        ({"ranker": "greedy"}, ALL[7:]),
        ({"refine": 2}, ALL[8:]),
        ({"schemes": 5}, ALL[7:]),
        ({"finetune": {"epochs": 2}}, ALL[10:]),
        ({"surgery": {"reconstruct": "none"}}, []),
        ({"surgery": {"reconstruct": "least_squares"}}, ALL[10:]),
        ({"export": ["safetensors"]}, ["export"]),
        ({"targets": [{"macs": 0.6}, {"macs": 0.7}]}, ["finetune/macs-0.7", "export"]),
    ],
)
def test_a_change_reaches_what_depends_on_it(changes: dict[str, Any], changed: list[str]) -> None:
    assert _changed(**changes) == changed


def test_defaults_count_like_what_is_written_out() -> None:
    written = tiny().resolved()
    assert _keys(**written) == _keys()


class Timed(Cost):
    """Takes a moment."""

    measured: ClassVar[bool] = True

    name: Literal["timed"] = "timed"

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        return np.zeros(len(genomes))


def test_what_is_measured_belongs_to_one_device() -> None:
    objectives = ["capability", Timed()]
    before = _keys(objectives=objectives)
    changed = [name for name, key in _keys(objectives=objectives, device="cuda").items() if before[name] != key]
    assert changed == ALL[3:]
