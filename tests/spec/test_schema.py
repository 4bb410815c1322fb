"""The JSON Schema: accepts whatever `load_spec` accepts, and tells an editor all there is to tell."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import Field, TypeAdapter

from emopms import api
from emopms.errors import SpecError
from emopms.spec import Spec, load_spec
from emopms.spec.catalog import catalog
from emopms.spec.document import Document
from emopms.spec.model import SLOT_FIELDS
from emopms.spec.scalars import dump
from emopms.spec.schema import json_schema
from tests.examples import scaled

from . import fakes
from .test_load import SMALL, specs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emopms.component import Component

SHIPPED = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))


@cache
def validator(*more: type[Component]) -> Draft7Validator:
    """For specs with the fakes, and more components."""
    return Draft7Validator(json_schema([*fakes.ALL, *more]))


def refusals(spec: Any) -> list[str]:
    return [error.message for error in validator().iter_errors(spec)]


def small(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load(SMALL)
    return spec | changes


@pytest.fixture
def schema(installed: None) -> dict[str, Any]:
    """The schema of all that is installed."""
    return json_schema(entry.component for entry in catalog() if entry.component)


def test_it_is_a_schema_and_holds_no_references_to_elsewhere(schema: dict[str, Any]) -> None:
    Draft7Validator.check_schema(schema)
    assert references(schema) <= {f"#/definitions/{name}" for name in schema["definitions"]}
    assert "$defs" not in str(schema)
    assert "x-slot" not in str(schema)


def references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {found for item in schema for found in references(item)}
    if not isinstance(schema, dict):
        return set()
    own = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set()
    return own | references(list(schema.values()))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_specs_are_accepted(schema: dict[str, Any], path: Path) -> None:
    check = Draft7Validator(schema)
    spec = Document.read(path).data
    assert not list(check.iter_errors(spec))
    assert not list(check.iter_errors({"extends": "base.yaml", **spec}))
    assert not list(check.iter_errors(load_spec(path).resolved()))


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every property of a schema, wherever it is, by its path."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield from properties(value, f"{path}/{key}")
        if schema.get("type") == "object":
            yield from ((f"{path}:{name}", value) for name, value in schema.get("properties", {}).items())
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from properties(value, f"{path}/{index}")


def test_every_property_has_a_hover_text(schema: dict[str, Any]) -> None:
    found = dict(properties(schema))
    assert len(found) > 100
    assert [path for path, shown in found.items() if not shown.get("description")] == []


def test_every_name_has_a_hover_text(schema: dict[str, Any]) -> None:
    ways = [way for slot, _ in SLOT_FIELDS.values() for way in schema["definitions"][slot.slot]["anyOf"]]
    names = {way["const"]: way for way in ways if "const" in way}
    assert names["nsga2"]["description"].startswith("NSGA-II: ")
    assert all(way["description"] for way in names.values())
    assert not any(" \n" in text or "\n  " in text for text in (way["description"] for way in names.values()))


def test_defaults_are_those_of_the_models(schema: dict[str, Any], installed: None) -> None:
    models: dict[str, Any] = {"spec": Spec}
    models |= {entry.path.replace("/", "."): entry.component for entry in catalog() if entry.component}
    for key, model in models.items():
        for name, shown in schema["definitions"][key]["properties"].items():
            if name != "extends":
                field = model.model_fields[name]
                expected = None if field.is_required() else field.get_default()
                assert shown.get("default") == TypeAdapter(Any).dump_python(expected, mode="json"), f"{key}.{name}"


@given(specs)
@settings(max_examples=scaled(40))
def test_every_valid_spec_is_accepted(spec: Spec) -> None:
    assert refusals(spec.resolved()) == []


WRITTEN: dict[str, list[Any]] = {
    "seed": [0, 2**62, "1"],
    "backbone": [{"name": "net", "depth": 4}, {"name": "net", "depth": 4, "heads": [{}, {"width": 2}]}, {"depth": 4}],
    "data": ["blobs", {"name": "blobs"}, {"name": "blobs", "noise": 1, "std": [1, 0.5]}, {"noise": 0.5}],
    "pretrain": [{}, {"lr": 1}, {"epochs": 0, "weight_decay": 0.0}, None],
    "split": ["at", [], ["a"], {}, {"points": ["a"]}, {"name": "at"}, [1]],
    "selector": ["linear_probe", {}, {"epochs": 2}, {"name": "linear_probe", "epochs": 0}],
    "objectives": [
        ["macs", "capability"],
        [{"name": "macs"}, "capability"],
        [{"name": "capability"}, {"name": "macs"}],
    ],
    "algorithm": ["nsga2", {"generations": 3}, {"name": "nsga2", "pop_size": 4}, {"pop_size": 4.0}],
    "targets": [[{"macs": 1}], [{"macs": 0.5, "params": 0.1}, {"accuracy_drop": 0}], [{"macs": 0.5, "params": None}]],
    "schemes": [1, 10**6],
    "finetune": [{"alpha": 1}, {"distill": False}, {"temperature": 1e-3}],
    "export": [["safetensors"], [{"name": "safetensors"}, "pt2"]],
    "plugins": [[]],
}


@settings(max_examples=scaled(150))
@given(st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in WRITTEN.items()}), st.data())
def test_what_load_spec_accepts_is_accepted(changes: dict[str, Any], draws: st.DataObject) -> None:
    """The same, of specs as they may be written: short, incomplete, over another one."""
    with TemporaryDirectory() as folder:
        Path(folder, "base.yaml").write_text(dump(small()))
        path = Path(folder, "spec.yaml")
        written = draws.draw(st.sampled_from([{"extends": "base.yaml", **changes}, small(**changes)]))
        path.write_text(dump(written))
        try:
            load_spec(path)
        except SpecError:
            return
    assert refusals(written) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"sead": 1},
        {"seed": "1"},
        {"seed": -1},
        {"seed": 1.5},
        {"version": 2},
        {"name": "a/b"},
        {"name": 3},
        {"targets": []},
        {"targets": {"macs": 0.5}},
        {"targets": [{"macs": 1.5}]},
        {"targets": [{"mcs": -0.5}]},
        {"backbone": "net"},
        {"backbone": {"name": "net"}},
        {"backbone": {"depth": 4}},
        {"backbone": {"name": "net", "depth": "4"}},
        {"backbone": {"name": "net", "depth": 4, "hedas": []}},
        {"backbone": {"name": "net", "depth": 4, "heads": [{"width": 0}]}},
        {"backbone": "macs"},
        {"backbone": 3},
        {"data": {"name": "blobz"}},
        {"split": [3]},
        {"split": {"points": "a"}},
        {"selector": ["linear_probe"]},
        {"selector": "linear_prob"},
        {"objectives": "macs"},
        {"objectives": ["nsga2"]},
        {"algorithm": {"popsize": 3}},
        {"finetune": {"alpha": 2}},
        {"finetune": None},
        {"extends": ""},
        {"plugins": "a.py"},
    ],
    ids=str,
)
def test_what_is_wrong_is_refused(changes: dict[str, Any]) -> None:
    assert refusals(small(**changes))
    if changes not in ({"backbone": {"name": "net"}}, {"backbone": {"depth": 4}}):  # the rest may stand in the base
        assert refusals({"extends": "base.yaml", **changes})


@pytest.mark.parametrize("key", ["version", "name", "backbone", "data", "targets"])
def test_what_is_required_is_so_unless_a_base_may_have_it(key: str) -> None:
    spec = small()
    del spec[key]
    assert refusals(spec)
    assert not refusals({"extends": "base.yaml", **spec})


def test_a_slot_of_which_nothing_is_installed() -> None:
    schema = json_schema([component for component in fakes.ALL if component.slot != "selector"])
    Draft7Validator.check_schema(schema)
    assert not list(Draft7Validator(schema).iter_errors(small()))
    assert list(Draft7Validator(schema).iter_errors(small(selector="linear_probe")))


class Part(fakes.Head):
    required: int = 1
    """Not what JSON Schema means by the word."""


class Nested(api.Selector):
    name: Literal["nested"] = "nested"
    part: Part
    required: bool = False
    parts: Annotated[tuple[Part, ...], Field(strict=False)] = ()

    def criterion(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


def test_parameters_may_have_any_name() -> None:
    check = validator(Nested)
    selector = {"name": "nested", "part": {"required": 2, "width": 1}, "required": True}
    for spec in (small(selector=selector), {"extends": "base.yaml", "selector": selector}):
        assert not list(check.iter_errors(spec))
    assert list(check.iter_errors({"extends": "base.yaml", "selector": {"name": "nested", "part": {"required": "x"}}}))
    assert list(check.iter_errors(small(selector={"name": "nested"})))
    assert not list(check.iter_errors({"extends": "base.yaml", "selector": {"name": "nested"}}))
