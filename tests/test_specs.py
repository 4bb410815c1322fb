"""Every shipped spec is valid."""

from __future__ import annotations

from pathlib import Path

import pytest

import emopms

ROOT = Path(__file__).parent.parent
SPECS = sorted((ROOT / "specs").glob("*.yaml"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_are_valid(path: Path) -> None:
    spec = emopms.load_spec(path)
    assert spec.name == path.stem.replace("_", "-")


def test_there_are_specs() -> None:
    assert {path.stem for path in SPECS} >= {"quickstart", "cifar10_resnet20", "cifar10_resnet56"}
