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
    "aim/macs-0.6",
    "finetune/macs-0.6",
    "dense",
    "breakdown/macs-0.6",
    "export/macs-0.6",
]


def _from(stage: str) -> list[str]:
    """All stages from this one on, less the test of the dense network, which depends on pre-training alone."""
    return [name for name in ALL[ALL.index(stage) :] if name != "dense"]


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


def test_limits_that_are_not_set_change_no_key() -> None:
    assert tiny().keyed()["genome"] == {
        "coding": "channels",
        "channel_multiple": 1,
        "prune_residual": False,
        "prune_boundaries": False,
    }
    assert _changed(genome={"keep": [], "min_channels": 1, "max_ratio": 1.0}) == []
    for limit in ({"keep": ["stage1.*"]}, {"min_channels": 2}, {"max_ratio": 0.9}):
        assert _changed(genome=limit) == _from("constrain")


def test_no_split_points_make_one_search() -> None:
    found = list(_keys(split=[]))
    assert [name for name in found if name.startswith("evolve/")] == ["evolve/1"]
    assert "refine" not in found, "it would be the same search again"


def test_without_aiming_the_best_measured_scheme_is_taken() -> None:
    assert not any(name.startswith("aim/") for name in _keys(aim=0))
    assert not any(name.startswith("aim/") for name in _keys(targets=[{"accuracy_drop": 0.1}]))


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
        ({"selector": "feature_mse"}, _from("selectors")),
        ({"constraint": "none"}, _from("constrain")),
        ({"algorithm": {"name": "nsga2", "pop_size": 8, "generations": 5}}, _from("evolve/1")),
        ({"ranker": "greedy"}, _from("join")),
        ({"refine": 2}, _from("refine")),
        ({"schemes": 5}, _from("join")),
        ({"finetune": {"epochs": 2}}, _from("finetune/macs-0.6")),
        ({"surgery": {"reconstruct": "none"}}, []),
        ({"surgery": {"reconstruct": "least_squares"}}, _from("finetune/macs-0.6")),
        ({"budget": "30min"}, _from("evolve/1")),
        ({"aim": 2}, _from("aim/macs-0.6")),
        ({"export": ["safetensors"]}, ["export/macs-0.6"]),
        (
            {"targets": [{"macs": 0.6}, {"macs": 0.7}]},
            ["aim/macs-0.7", "finetune/macs-0.7", "breakdown/macs-0.7", "export/macs-0.7"],
        ),
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
    assert changed == _from("evolve/1")
