"""More models from a finished search."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

import pytest
from loguru import logger

import emopms
from emopms.engine.storage.cleanup import clean
from emopms.engine.storage.inventory import inspect_run
from emopms.errors import RunError, SpecError
from tests.engine.conftest import tiny

if TYPE_CHECKING:
    from pathlib import Path

QUICK = ("finetune.epochs=0",)


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in (folder / "models").rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def names(result: emopms.Result) -> list[str]:
    return [model["target"] for model in result.summary["models"]]


@pytest.mark.slow
def test_models_are_added_and_those_that_are_there_stay_as_they_are(run: Path) -> None:
    before, front = contents(run), emopms.Result(run).front
    assert names(emopms.pick(run, target={"macs": 0.8}, overrides=QUICK, device="cpu")) == ["macs-0.6", "macs-0.8"]
    picked = emopms.pick(run, knee=True, overrides=QUICK, device="cpu")
    knee = f"scheme-{picked.front.knee.scheme}"
    assert names(picked) == ["macs-0.6", "macs-0.8", knee]
    after = contents(run)
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[1] for name in after} == {"macs-0.6", "macs-0.8", knee}
    assert all(picked.front[point.scheme].costs == point.costs for point in front), "schemes keep their numbers"
    figures = {model["target"]: model for model in picked.summary["models"]}
    assert figures["macs-0.8"]["macs"] <= 0.8 * picked.summary["dense"]["macs"]
    assert picked.front[figures[knee]["scheme"]].models == (knee,)
    assert inspect_run(run).state == "finished"

    again = emopms.run(tiny(), run_dir=run, device="cpu")
    assert names(again) == names(picked), "a run of the same spec keeps them"
    clean(run)
    assert contents(run) == after, "and cleaning, too"

    other = emopms.run(tiny(algorithm={"name": "nsga2", "pop_size": 8, "generations": 2}), run_dir=run, device="cpu")
    assert names(other) == ["macs-0.6"], "those of another search are no longer results"
    assert "models/macs-0.8/model.safetensors" in contents(run), "but stay until they are cleaned away"


@pytest.mark.slow
def test_a_damaged_pick_is_written_again_or_its_loss_is_said(run: Path) -> None:
    emopms.pick(run, target={"macs": 0.8}, overrides=QUICK, device="cpu")
    whole, weights = contents(run), run / "models/macs-0.8/model.safetensors"
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    (run / "models/macs-0.8/model.pt2").unlink()
    assert names(emopms.run(tiny(), run_dir=run, device="cpu")) == ["macs-0.6", "macs-0.8"]
    kept = "models/macs-0.8/model.safetensors.kept"
    assert {name: digest for name, digest in contents(run).items() if name != kept} == whole
    assert said[0] == "models/macs-0.8: a file is missing or was changed, and is written again from the store\n"

    clean(run)  # what is needed to write it again stays
    weights.unlink()
    assert names(emopms.run(tiny(), run_dir=run, device="cpu")) == ["macs-0.6", "macs-0.8"]

    weights.unlink()
    shutil.rmtree(run / "store/export-macs-0.8")
    said.clear()
    result = emopms.run(tiny(), run_dir=run, device="cpu")
    logger.remove(sink)
    assert names(result) == ["macs-0.6"]
    assert "so the model is no longer among the results; `emopms pick --index" in said[0]
    assert inspect_run(run).state == "finished"


@pytest.mark.slow
def test_a_folder_holds_the_files_of_one_network(run: Path) -> None:
    emopms.run(tiny(export=["safetensors"]), run_dir=run, device="cpu")
    assert "models/macs-0.6/model.pt2" in contents(run), "the same network in another format"
    emopms.run(tiny(export=["safetensors"], finetune={"epochs": 2}), run_dir=run, device="cpu")
    assert "models/macs-0.6/model.pt2" not in contents(run), "that was of another network"


@pytest.mark.slow
def test_the_same_pick_twice_makes_nothing(run: Path) -> None:
    scheme = emopms.Result(run).front.dense.scheme - 1
    scheme = next(point.scheme for point in emopms.Result(run).front if not point.models and point.scheme != scheme + 1)
    first = emopms.pick(run, scheme=scheme, overrides=QUICK, device="cpu")
    stamp = (run / "result.json").stat().st_mtime_ns
    second = emopms.pick(run, scheme=scheme, overrides=QUICK, device="cpu")
    assert (names(first), names(second)) == (["macs-0.6", f"scheme-{scheme}"],) * 2
    assert (run / "result.json").stat().st_mtime_ns == stamp
    longer = emopms.pick(run, scheme=scheme, overrides=["finetune.epochs=1"], device="cpu")
    assert names(longer) == ["macs-0.6", f"scheme-{scheme}", f"scheme-{scheme}-2"], "with other settings, another model"
    made = [model["made_with"] for model in longer.summary["models"]]
    assert made[0]["target"] == {"macs": 0.6}
    assert [(each["target"], each["finetune"]["epochs"]) for each in made[1:]] == [
        ({"scheme": scheme}, 0),
        ({"scheme": scheme}, 1),
    ]


@pytest.mark.slow
def test_a_target_with_other_settings_is_the_same_scheme_again(run: Path) -> None:
    before = emopms.Result(run).summary["search"]
    emopms.pick(run, target={"macs": 0.9}, overrides=QUICK, device="cpu")
    result = emopms.pick(run, target={"macs": 0.9}, overrides=["finetune.epochs=1"], device="cpu")
    assert names(result) == ["macs-0.6", "macs-0.9", "macs-0.9-2"]
    _, first, second = result.summary["models"]
    assert first["scheme"] == second["scheme"]
    assert result.front[first["scheme"]].models == ("macs-0.9", "macs-0.9-2")
    assert result.summary["search"] == before, "the figures of the search are those of the spec"


@pytest.mark.slow
def test_a_bound_on_accuracy_alone_takes_the_cheapest_of_the_whole_front(run: Path) -> None:
    result = emopms.pick(run, target={"accuracy_drop": 0.3}, overrides=QUICK, device="cpu")
    (score,) = (run / "store" / "pretrain").glob("*/score.json")
    cheapest = result.front.cheapest(json.loads(score.read_text())["accuracy"] - 0.3)
    assert cheapest is not None
    assert cheapest.models == ("accuracy_drop-0.3",)


@pytest.mark.slow
def test_the_cheapest_that_is_accurate_enough(run: Path) -> None:
    front = emopms.Result(run).front
    wanted = sorted(point.accuracy for point in front)[len(front) // 2]
    cheapest = front.cheapest(wanted)
    assert cheapest is not None
    result = emopms.pick(run, accuracy=wanted, overrides=QUICK, device="cpu")
    assert result.summary["models"][-1]["scheme"] == cheapest.scheme
    with pytest.raises(RunError, match=r"No scheme has a validation accuracy of 100\.00%"):
        emopms.pick(run, accuracy=1.0, device="cpu")


def test_what_cannot_be_picked(run: Path) -> None:
    before = contents(run)
    with pytest.raises(ValueError, match="exactly one"):
        emopms.pick(run)
    with pytest.raises(ValueError, match="exactly one"):
        emopms.pick(run, knee=True, scheme=1)
    with pytest.raises(ValueError, match="a share from 0 to 1"):
        emopms.pick(run, accuracy=75)
    with pytest.raises(KeyError, match="no scheme 999"):
        emopms.pick(run, scheme=999)
    with pytest.raises(SpecError, match="'latency' is no cost among the objectives"):
        emopms.pick(run, target={"latency": 0.5})
    with pytest.raises(SpecError, match=r"algorithm: .* would need another search"):
        emopms.pick(run, knee=True, overrides=["algorithm.generations=9"])
    assert contents(run) == before
