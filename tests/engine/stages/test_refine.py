"""The last search: it begins with the joint schemes, and measures the whole network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch

import emopms
from emopms.api import Cost, Task
from emopms.engine.session.networks import divide_as_specified, encoding_for
from emopms.engine.stages.refine import refinement
from emopms.engine.storage.store import Store
from emopms.pareto import nondominated
from tests.engine.conftest import tiny

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from emopms.engine.storage.artefact import Artefact


def test_all_schemes_have_room() -> None:
    algorithm = {"name": "nsga2", "pop_size": 8}
    assert refinement(tiny(algorithm=algorithm, schemes=12, refine=3)).pop_size == 12
    assert refinement(tiny(algorithm=algorithm, schemes=4)).pop_size == 8
    assert refinement(tiny(algorithm=algorithm, refine=3)).generations == 3


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"coding": "widths"},
        {"channel_multiple": 4},
        {"coding": "widths", "channel_multiple": 2, "prune_residual": True},
        {"prune_boundaries": True},
    ],
)
def test_what_the_parts_can_write_down_the_whole_can(settings: dict[str, Any]) -> None:
    spec, images = tiny(genome=settings), torch.randn(2, 1, 8, 8)
    network = spec.backbone.build(input_shape=(1, 8, 8), classes=10).eval()
    parts = divide_as_specified(network, ["stage1", "stage2"], images, spec)
    rng = np.random.default_rng(0)
    genomes = []
    for sub in parts.searched:
        coding = encoding_for(sub, spec)
        genomes.append(coding.decode(coding.repair(rng.random((50, coding.bits)) < 0.6)))
    joint, coding = np.concatenate(genomes, axis=1), encoding_for(parts.whole, spec)
    np.testing.assert_array_equal(coding.decode(coding.repair(coding.encode(joint))), joint)


@pytest.fixture(scope="module")
def stages(finished: emopms.Result) -> dict[str, Artefact]:
    store = Store(finished.folder / "store")
    found = {stage: store.status(stage, key).artefact for stage, key in (store.read_plan() or {}).items()}
    return {stage: artefact for stage, artefact in found.items() if artefact is not None}


def test_what_it_gives_is_a_measured_front_with_the_dense_network_last(stages: dict[str, Artefact]) -> None:
    refined, joint = stages["refine"].arrays("schemes"), stages["join"].arrays("schemes")
    assert refined["genomes"][-1].all()
    assert refined["impairment"][-1] == 0
    assert (np.diff(refined["costs"][:, 0]) >= 0).all()
    points = np.column_stack([refined["impairment"], refined["costs"]])
    others = len(nondominated(points[:-1]))
    assert others == len(points) - 1
    np.testing.assert_array_equal(refined["costs"][-1], joint["costs"][-1])
    assert stages["refine"].json("search")["evaluations"] > 8


def test_what_is_measured_in_the_end_is_what_it_found(stages: dict[str, Artefact]) -> None:
    refined, measured = stages["refine"].arrays("schemes"), stages["measure"].arrays("schemes")
    known = {genome.tobytes() for genome in refined["genomes"]}
    assert {genome.tobytes() for genome in measured["genomes"]} <= known
    predicted = dict(zip([genome.tobytes() for genome in refined["genomes"]], refined["impairment"], strict=True))
    for genome, loss in zip(measured["genomes"], measured["predicted_loss"], strict=True):
        assert loss == measured["loss"][-1] + predicted[genome.tobytes()]


@pytest.mark.slow
def test_without_it_the_joint_schemes_are_measured(finished: emopms.Result, tmp_path: Path) -> None:
    plain = emopms.run(tiny(refine=0), run_dir=tmp_path, device="cpu")
    assert "refine" not in [stage["name"] for stage in plain.summary["stages"]]
    store = Store(plain.folder / "store")
    keys = store.read_plan() or {}
    joint, measured = (store.status(stage, keys[stage]).artefact for stage in ("join", "measure"))
    assert joint is not None
    assert measured is not None
    known = {genome.tobytes() for genome in joint.arrays("schemes")["genomes"]}
    assert {genome.tobytes() for genome in measured.arrays("schemes")["genomes"]} <= known


class Picky(Cost):
    """The share of channels kept, for most candidates."""

    name: Literal["picky"] = "picky"

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        share: NDArray[Any] = genomes.mean(axis=1)
        odd = (genomes.sum(axis=1) % 5 == 0) & ~genomes.all(axis=1)
        return np.where(odd, np.nan, share)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"objectives": ["capability", "macs", Picky()]},
        {"objectives": ["capability", "macs", Picky()], "refine": 0},
        {"objectives": ["capability", "macs", "params"], "genome": {"prune_boundaries": True}},
        {"algorithm": {"name": "random", "pop_size": 8, "generations": 4}},
    ],
    ids=["a cost that fails", "a cost that fails, not refined", "boundaries and two costs", "random"],
)
def test_whole_runs(changes: dict[str, Any], tmp_path: Path) -> None:
    short = {"pretrain": {"epochs": 2, "lr": 0.1, "batch_size": 32}, "constraint": "none", "export": ["safetensors"]}
    result = emopms.run(tiny(**{**short, "targets": [{"macs": 0.8}], **changes}), run_dir=tmp_path, device="cpu")
    store = Store(tmp_path / "store")
    keys = store.read_plan() or {}
    measured = store.status("measure", keys["measure"]).artefact
    assert measured is not None
    schemes = measured.arrays("schemes")
    assert len(schemes["loss"]) > 4
    assert schemes["genomes"][-1].all()
    assert np.isfinite(schemes["costs"]).all()
    assert (np.diff(schemes["costs"][:, 0]) >= 0).all()
    (model,) = result.summary["models"]
    assert model["macs"] == result.front[model["scheme"]].costs["macs"]
    if "refine" in keys:
        refined = store.status("refine", keys["refine"]).artefact
        assert refined is not None
        assert refined.json("search")["evaluations"] > 2 * 12, "every generation finds something new"
