"""A run directory is held by one process, and what the process had before comes back."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from loguru import logger

from emopms.engine.pipeline.run_directory import working_in
from emopms.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def drawn() -> tuple[float, ...]:
    return float(torch.rand(1)), float(np.random.rand()), random.random()


def test_global_generators_follow_the_seed_and_are_as_before_afterwards(tmp_path: Path) -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    expected = drawn()
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    inside: list[tuple[float, ...]] = []
    for seed in (0, 0, 1):
        with working_in(tmp_path / f"run-{len(inside)}", seed=seed, progress=None):
            inside.append(drawn())
    assert inside[0] == inside[1] != inside[2]
    assert drawn() == expected


@pytest.mark.slow
def test_a_second_worker_is_refused_and_the_log_is_written(tmp_path: Path) -> None:
    with working_in(tmp_path, seed=0, progress=None):
        logger.patch(lambda record: record.update({"name": "emopms.test"})).info("at work")
        with pytest.raises(StoreError, match="Another emopms process"), working_in(tmp_path, seed=0, progress=None):
            pass
    with working_in(tmp_path, seed=0, progress=None):
        pass
    assert "at work" in (tmp_path / "run.log").read_text()
