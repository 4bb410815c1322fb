from __future__ import annotations

from typing import Any

from emopms.engine.comparison.marks import marks

BASELINES = [{"method": f"baseline-{index:02}", "baseline": {}} for index in range(20)]
SEARCHES: list[dict[str, Any]] = [{"method": name, "baseline": None} for name in ("divided", "whole")]


def test_no_colour_is_needed_to_tell_methods_apart() -> None:
    found = marks([*SEARCHES, *BASELINES])
    assert len({(mark.marker, mark.filled) for mark in found.values()}) == len(found) == 22


def test_searches_stand_out() -> None:
    found = marks([*SEARCHES, *BASELINES])
    assert {name for name, mark in found.items() if mark.searched} == {"divided", "whole"}
    small, large = found["baseline-00"].style, found["whole"].style
    assert all(small[name] < large[name] for name in ("markersize", "elinewidth", "capsize", "zorder"))


def test_marks_do_not_depend_on_the_order_of_the_table() -> None:
    entries = [*SEARCHES, *BASELINES]
    assert marks(entries) == marks(entries[::-1])


def test_more_methods_than_marks() -> None:
    assert len(marks([{"method": str(index), "baseline": {}} for index in range(100)])) == 100
