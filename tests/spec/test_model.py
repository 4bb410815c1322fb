from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from emopms.errors import SpecError
from emopms.spec import FinetuneSettings, Spec, Target, Training, as_spec

from . import fakes

SMALL: dict[str, Any] = {
    "version": 1,
    "name": "small",
    "backbone": {"name": "net", "depth": 8},
    "data": "blobs",
    "targets": [{"macs": 0.5}],
}


def messages(**changes: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Spec.model_validate(SMALL | changes)
    return [error["msg"] for error in caught.value.errors()]


def test_defaults() -> None:
    spec = Spec(**SMALL)

    assert spec.seed == 0
    assert spec.pretrain == Training(epochs=10, lr=0.05, batch_size=128, weight_decay=5e-4)
    assert spec.finetune == FinetuneSettings(epochs=10, lr=0.02, distill=True, temperature=4.0, alpha=0.9)
    assert spec.split == fakes.At()
    assert spec.selector == fakes.LinearProbe()
    assert spec.constraint == fakes.Feature()
    assert spec.objectives == (fakes.Capability(), fakes.Macs())
    assert spec.sampling == fakes.Sensitivity()
    assert spec.algorithm == fakes.Nsga2()
    assert spec.ranker == fakes.Impairment()
    assert spec.schemes == 48
    assert spec.export == (fakes.Safetensors(), fakes.Pt2())
    assert spec.folder is None


def test_components_mappings_and_names_are_equal() -> None:
    spec = Spec(
        version=1,
        name="small",
        backbone=fakes.Net(depth=8),
        data=fakes.Blobs(),
        split=fakes.At(),
        objectives=(fakes.Capability(), "macs"),
        targets=(Target(macs=0.5),),
    )

    assert spec == Spec(**SMALL)
    assert hash(spec) == hash(Spec(**SMALL))
    assert spec != Spec.model_validate(SMALL | {"seed": 1})


@pytest.mark.parametrize(
    "genome",
    [{"keep": "stage1.*"}, {"keep": [""]}, {"min_channels": 0}, {"max_ratio": 0.0}, {"max_ratio": 1.1}],
)
def test_wrong_limits_are_refused(genome: dict[str, Any]) -> None:
    assert messages(genome=genome)


def test_limits_enter_keys_only_if_they_are_set() -> None:
    plain, same = (
        Spec.model_validate(SMALL | {"genome": genome}).keyed()["genome"]
        for genome in ({}, {"keep": [], "min_channels": 1, "max_ratio": 1.0})
    )
    assert plain == same
    assert "keep" not in plain
    limits = {"keep": ["stage1.*"], "min_channels": 4, "max_ratio": 0.5}
    written = Spec.model_validate(SMALL | {"genome": limits}).keyed()["genome"]
    assert written == plain | limits


def test_the_resolved_spec_has_all_defaults() -> None:
    resolved = Spec.model_validate(SMALL).resolved()
    assert resolved["genome"] == Spec.model_validate(SMALL).keyed()["genome"] | {
        "keep": [],
        "min_channels": 1,
        "max_ratio": 1.0,
    }


def test_adamw_needs_a_learning_rate_of_its_own() -> None:
    for key in ("pretrain", "finetune"):
        with pytest.raises(SpecError, match=r"`adamw` has no `lr`"):
            Spec(**SMALL | {key: {"optimizer": "adamw"}})
        spec = Spec(**SMALL | {key: {"optimizer": "adamw", "lr": 0.001}})
        assert Spec(**spec.resolved()) == spec
        assert Spec(**SMALL | {key: {"optimizer": "adamw", "epochs": 0}})


def test_settings_of_a_training_that_came_later_are_keyed_only_where_they_are_used() -> None:
    """What earlier versions stored goes by the settings as they wrote them."""
    assert set(Spec.model_validate(SMALL).keyed()["pretrain"]) == {"epochs", "lr", "batch_size", "weight_decay"}
    keyed = Spec(**SMALL | {"finetune": {"ema": 0.9}}).keyed()["finetune"]
    assert set(keyed) == {"epochs", "lr", "batch_size", "weight_decay", "distill", "temperature", "alpha", "ema"}


def test_partial_settings_keep_the_other_defaults() -> None:
    spec = Spec.model_validate(SMALL | {"pretrain": {"epochs": 3}, "finetune": {"epochs": 0}})

    assert spec.pretrain == Training(epochs=3)
    assert spec.finetune.lr == 0.02


@pytest.mark.parametrize(
    ("given", "reconstruct"),
    [
        ({}, "none"),
        ({"finetune": {"epochs": 0}}, "least_squares"),
        ({"finetune": {"epochs": 0}, "surgery": {"reconstruct": "none"}}, "none"),
        ({"finetune": {"epochs": 0}, "surgery": {}}, "least_squares"),
        ({"surgery": {"reconstruct": "least_squares"}}, "least_squares"),
    ],
)
def test_what_is_not_trained_is_reconstructed(given: dict[str, Any], reconstruct: str) -> None:
    spec = Spec.model_validate(SMALL | given)

    assert spec.surgery.reconstruct == reconstruct
    assert Spec.model_validate(spec.resolved()) == spec


def test_a_bare_list_is_short_for_the_split_at_it() -> None:
    split = Spec.model_validate(SMALL | {"split": ["layer1", "layer2"]}).split

    assert split == fakes.At(points=("layer1", "layer2"))


@pytest.mark.parametrize("name", ["a", "cifar10-resnet56", "v1.2_b", "2024", "_x"])
def test_names(name: str) -> None:
    assert Spec.model_validate(SMALL | {"name": name}).name == name


@pytest.mark.parametrize("name", ["", ".", "..", "a..b", ".a", "a/b", "a\\b", "a b", "a\n", "é", "-a", "a.", "x" * 101])
def test_names_that_are_no_folders(name: str) -> None:
    assert messages(name=name)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objectives": ["capability"]}, "no objective is a cost"),
        ({"objectives": ["macs"]}, "all objectives are costs"),
        ({"objectives": []}, "no objective is a cost"),
        ({"objectives": ["macs", "capability", "macs"]}, "'macs' is listed more than once"),
        ({"export": ["pt2"]}, "safetensors is not among the formats"),
        ({"export": ["safetensors", "safetensors"]}, "more than once"),
        ({"targets": []}, "at least 1 item"),
        ({"targets": [{"macs": 0.5}, {"macs": 0.5}]}, "two targets are equal"),
        ({"targets": [{}]}, "the target has no bound"),
        ({"targets": [{"macs": 0}]}, "greater than 0"),
        ({"targets": [{"params": 1.1}]}, "expected at most 1, got the number 1.1"),
        ({"targets": [{"accuracy_drop": 1}]}, "less than 1"),
        ({"finetune": {"alpha": 1.5}}, "less than or equal to 1"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"seed": True}, "valid integer"),
        ({"schemes": 0}, "greater than or equal to 1"),
        ({"version": 2}, "should be 1"),
        ({"backbone": fakes.Blobs()}, "expected the name of a component of the slot backbone"),
    ],
)
def test_what_is_wrong(changes: dict[str, Any], words: str) -> None:
    assert any(words in message for message in messages(**changes))


@pytest.mark.parametrize(
    ("target", "slug"),
    [
        (Target(macs=0.5), "macs-0.5"),
        (Target(macs=0.5, params=0.6), "macs-0.5_params-0.6"),
        (Target(accuracy_drop=1e-5), "accuracy_drop-1e-05"),
        (Target(macs=1, accuracy_drop=0), "macs-1.0_accuracy_drop-0.0"),
    ],
)
def test_slug(target: Target, slug: str) -> None:
    assert target.slug == slug


fractions = st.floats(0, 1, exclude_min=True, exclude_max=True)
targets = st.builds(Target, macs=fractions, params=st.none() | fractions, accuracy_drop=st.none() | fractions)


@given(targets, targets)
def test_slugs_tell_targets_apart(one: Target, other: Target) -> None:
    assert (one.slug == other.slug) == (one == other)
    assert not set(one.slug) & set("/\\: ")


def test_resolved_is_plain_and_complete() -> None:
    resolved = Spec(**SMALL).resolved()

    assert set(resolved) == set(Spec.model_fields)
    assert resolved["selector"] == fakes.LinearProbe().model_dump()
    assert resolved["targets"] == [{"macs": 0.5}]
    assert resolved["export"] == [{"name": "safetensors"}, {"name": "pt2"}]
    assert Spec(**resolved) == Spec(**SMALL)


def test_a_spec_made_in_python_has_problems_without_position() -> None:
    error = Spec(**SMALL).problem(("split", "points", 1), "there is no layer7.", "Choose another.")

    assert isinstance(error, SpecError)
    assert str(error) == "split.points[1]: there is no layer7.\nChoose another."
    assert error.problems[0].line is None


def _with_itself(kind: type[Any]) -> Any:
    value = kind()
    if isinstance(value, dict):
        value["args"] = value
    else:
        value += [value, value]
    return value


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({1: 2}, "the key 1 is not text.\nWrite it as text."),
        ({"pretrain": {None: 2}}, "pretrain: the key None is not text.\nWrite it as text."),
        (
            {"backbone": {"args": _with_itself(dict)}},
            "backbone: values are nested more than 32 deep.\nDoes one",
        ),
        ({"seeds": _with_itself(list)}, "seeds: values are nested more than 32 deep.\nDoes one contain"),
        ({"seeds": list(range(10_000))}, "there are more than 10000 values.\nIs this a spec?"),
        ({"seed": np.int64(3)}, "seed: expected a whole number, got a value of the type numpy.int64."),
        ({"seed": {1, 2}}, "seed: expected a whole number, got a value of the type set."),
        ({"seed": {}}, "seed: expected a whole number, got a mapping."),
    ],
)
def test_values_that_no_file_can_hold(values: dict[Any, Any], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        as_spec(SMALL | values)
    assert said in str(caught.value)
