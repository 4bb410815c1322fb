from __future__ import annotations

from typing import Any

import pytest

import emopms
from emopms.errors import SpecError

SMALL: dict[str, Any] = {
    "version": 1,
    "name": "x",
    "backbone": {"name": "net", "depth": 8},
    "data": "blobs",
    "targets": [{"macs": 0.5}],
}


@pytest.mark.parametrize(
    ("written", "seconds"), [("90s", 90), ("30min", 1800), ("1.5h", 5400), ("2 h", 7200), (45, 45), (0.5, 0.5)]
)
def test_durations(written: str | float, seconds: float) -> None:
    spec = emopms.Spec(**SMALL, budget=written)
    assert spec.budget == seconds
    assert emopms.Spec(**SMALL, budget=spec.resolved()["budget"]) == spec


@pytest.mark.parametrize("written", ["30", "30 minutes", "-5s", "min", "1h30min", "0s", -1, 0, True])
def test_what_is_no_duration(written: str | float) -> None:
    with pytest.raises(SpecError, match="budget: "):
        emopms.Spec(**SMALL, budget=written)


def test_searches_get_equal_parts() -> None:
    spec = emopms.Spec(**SMALL, budget="40s", refine=2)
    assert spec.seconds_of_a_search(0) == 40, "one search of the whole network, and no refinement"
    assert spec.seconds_of_a_search(2) == 10, "three sub-networks and the refinement"
    assert emopms.Spec(**SMALL).seconds_of_a_search(2) is None
