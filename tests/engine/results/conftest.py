from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emopms.engine.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emopms.engine.storage.artefact import Artefact, Workspace


@pytest.fixture
def out(tmp_path: Path) -> Workspace:
    """The workspace of a new stage."""
    return Store(tmp_path).begin("stage", "key")


@pytest.fixture
def stored(tmp_path: Path, out: Workspace) -> Callable[[], Artefact]:
    """Completes the stage, and finds its artefact in the store as a later stage does."""

    def complete() -> Artefact:
        out.complete({})
        artefact = Store(tmp_path).find("stage", "key").artefact
        assert artefact is not None
        return artefact

    return complete
