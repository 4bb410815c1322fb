from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    import emopms


@pytest.fixture
def run(finished: emopms.Result, tmp_path: Path) -> Path:
    """A copy of the finished run, which a test may change."""
    shutil.copytree(finished.folder, tmp_path / "tiny")
    return tmp_path / "tiny"
