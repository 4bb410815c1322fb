"""What the API's own classes do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from emopms.network.inference import pool
from emopms.network.inference.activation_cache import ActivationCache
from emopms.testing.tiny import tiny


@pytest.mark.parametrize("beside", [False, True])
def test_nothing_is_kept_for_inputs_that_are_brought_to_the_device_each_time(
    beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time they are other tensors, for which nothing could be found again, but would be held."""
    rooms: list[int] = []

    def chosen(*given: Any, **asked: Any) -> tuple[None, str]:
        rooms.extend(each.room for each in given if isinstance(each, ActivationCache))
        return None, ""

    monkeypatch.setattr(pool, "choose_evaluator", chosen)
    task = tiny().task(0)
    task = replace(task, labels=task.labels.to("meta")) if beside else task
    task.evaluator()
    assert (rooms == [0]) == beside
