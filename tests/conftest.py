"""Property-based tests try the examples of a profile (see `tests.examples`). Many tests read one finished run."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from loguru import logger

from tests.examples import load_profile

if TYPE_CHECKING:
    import emopms

load_profile()

logger.remove()  # the sink that it begins with holds the stderr of whichever test imported it first


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> emopms.Result:
    """A finished run of the tiny spec. Tests that change it copy it first.

    The first process of the tests that asks for it makes it, and all have their own copy.
    """
    import emopms
    from tests.engine.conftest import tiny

    base = tmp_path_factory.getbasetemp()
    made = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished" / "tiny"
    made.parent.mkdir(exist_ok=True)
    with FileLock(f"{made}.lock"):
        if not (made / "result.json").exists():
            emopms.run(tiny(), run_dir=made, device="cpu")
    return emopms.Result(shutil.copytree(made, tmp_path_factory.mktemp("run") / "tiny"))
