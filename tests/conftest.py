"""Property-based tests try the examples of a profile (see `tests.examples`). Many tests read one finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from loguru import logger

from tests.examples import load_profile

if TYPE_CHECKING:
    import emopms

load_profile()

logger.remove()  # the sink that it begins with holds the stderr of whichever test imported it first


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> emopms.Result:
    """A finished run of the tiny spec. Tests that change it copy it first."""
    import emopms
    from tests.engine.conftest import tiny

    return emopms.run(tiny(), run_dir=tmp_path_factory.mktemp("run") / "tiny", device="cpu")
