"""`help` shows what the fields of the public dataclasses hold."""

from __future__ import annotations

import dataclasses
import inspect
import pydoc
from typing import Any

import pytest

import emopms.api
import emopms.network
from emopms.documented import documented
from emopms.network.channels.table import Group, Layer

PUBLIC: list[Any] = [
    found
    for module in (emopms.api, emopms.network)
    for name in module.__all__
    if isinstance(found := getattr(module, name), type) and dataclasses.is_dataclass(found)
]


@pytest.mark.parametrize("kind", [*PUBLIC, Group, Layer], ids=lambda kind: kind.__name__)
def test_every_field_has_its_lines(kind: Any) -> None:
    lines = (inspect.getdoc(kind) or "").splitlines()
    for field in dataclasses.fields(kind):
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"    {field.name}: ")]
        assert lines[at + 1].startswith("        "), f"{field.name} says nothing"


def test_help_shows_them() -> None:
    shown = pydoc.plain(pydoc.render_doc(emopms.api.PruningTask))
    assert "references: Tensor" in shown, "a field of the base class"
    assert "enough memory." in shown


def test_without_source_or_fields_the_docstring_stays() -> None:
    for body in ({}, {"__annotations__": {"x": int}}):
        assert documented(type("Made", (), {"__doc__": "Is made.", **body})).__doc__ == "Is made."
