"""One finished comparison of the tiny spec with two baselines, over two seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import emopms
from tests.engine.conftest import tiny

if TYPE_CHECKING:
    from emopms.engine.comparison.compare import Comparison

CHANGES: dict[str, Any] = {
    "algorithm": {"name": "nsga2", "pop_size": 4, "generations": 2},
    "constraint": {"name": "feature", "epochs": 1},
    "pretrain": {"epochs": 2, "lr": 0.1, "batch_size": 32},
    "targets": [{"macs": 0.7}, {"params": 0.8}],
    "baselines": ["l1", {"name": "eagle_eye", "candidates": 4}],
    "seeds": [3, 4],
    "export": ["safetensors"],
}


def compared(**changes: Any) -> emopms.Spec:
    """The spec of a small comparison with some keys changed."""
    return tiny(**(CHANGES | changes))


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return emopms.compare(compared(), run_dir=tmp_path_factory.mktemp("comparison") / "tiny", device="cpu")
