from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml
from jsonschema import Draft7Validator

from .conftest import COST, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Shown


def test_it_prints_a_schema(emopms: Callable[..., Shown]) -> None:
    shown = emopms("schema")
    assert (shown.code, shown.err) == (0, "")
    schema = json.loads(shown.out)
    Draft7Validator.check_schema(schema)
    assert not list(Draft7Validator(schema).iter_errors(yaml.safe_load(SMALL)))


def test_components_of_files(emopms: Callable[..., Shown], write: Callable[..., Path]) -> None:
    path = write(COST, "mine.py")
    assert "objective.mine" not in json.loads(emopms("schema").out)["definitions"]
    mine = json.loads(emopms("schema", "--plugins", path).out)["definitions"]["objective.mine"]
    assert mine["properties"]["weight"] == {"type": "number", "default": 1.5, "description": "How much of it."}


def test_what_cannot_be_used_is_left_out_and_named(emopms: Callable[..., Shown], broken: str) -> None:
    shown = emopms("schema")
    assert shown.code == 0
    assert "objective.broken" not in json.loads(shown.out)["definitions"]
    assert f"left out: {broken}\n  Repair that distribution" in shown.err


def test_a_parameter_that_no_schema_describes_costs_only_its_component(
    emopms: Callable[..., Shown], write: Callable[..., Path]
) -> None:
    source = "from collections.abc import Callable\n" + COST.replace("weight: float = 1.5", "weight: Callable = print")
    shown = emopms("schema", "--plugins", write(source, "mine.py"))
    assert shown.code == 0
    assert "objective.macs" in json.loads(shown.out)["definitions"]
    assert "left out: objective 'mine' of" in shown.err


def test_a_file_that_fails(emopms: Callable[..., Shown], write: Callable[..., Path]) -> None:
    path = write("raise SystemExit\n", "mine.py")
    shown = emopms("schema", "--plugins", path)
    assert (shown.code, shown.out) == (2, "")
    assert f"{path}:1 cannot be imported: SystemExit" in shown.err
