from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.contexts import artefacts_of, tiny_context

if TYPE_CHECKING:
    import emopms
    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


@pytest.fixture(scope="package")
def artefacts(finished: emopms.Result) -> dict[str, Artefact]:
    """The artefacts of a finished run of the tiny spec, by stage."""
    return artefacts_of(finished)


@pytest.fixture(scope="package")
def context() -> Context:
    """A context of the tiny spec. Tests share it, and with it images and networks."""
    return tiny_context()
