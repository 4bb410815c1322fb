"""Keys of stored stages."""

from __future__ import annotations

import pytest

from emopms.engine.storage.keys import stage_key


def test_equal_parts_have_equal_keys_in_any_order() -> None:
    assert stage_key({"stage": "a", "seed": 0}) == stage_key({"seed": 0, "stage": "a"})
    assert stage_key({"stage": "a", "seed": 0}) != stage_key({"stage": "a", "seed": 1})


def test_keys_never_change_between_versions() -> None:
    """Stored runs would be lost."""
    expected = "65453b099ec5c30006b8b3d3c216c10d19500b869162e357657d1c9389b44dc1"
    assert stage_key({"stage": "evolve/1", "version": 7, "settings": {"lr": 0.1}, "inputs": {}}) == expected


def test_numbers_that_equal_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        stage_key({"lr": float("nan")})
