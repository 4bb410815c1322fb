"""Tests that the plugin's example specs are valid."""

from __future__ import annotations

from pathlib import Path

import pytest

import emopms

SPECS = sorted((Path(__file__).parent.parent / "specs").glob("*.yaml"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_are_valid(path: Path) -> None:
    spec = emopms.load_spec(path)
    assert spec.backbone.name == "timm"
    assert spec.name == path.stem.replace("_", "-")


def test_there_are_specs() -> None:
    assert SPECS
