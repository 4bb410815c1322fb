"""Components that are wrong in one way, and the check that must say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.component import Component
    from emopms.testing import ComponentConformance


@dataclass(frozen=True)
class Broken:
    """A component for which one check of its suite fails."""

    check: str
    """Without ``test_``."""
    component: Component
    message: str
    """Regular expression for what the author is told."""

    def must_fail(self, suite: type[ComponentConformance], tmp_path: Path) -> None:
        run = getattr(type("Suite", (suite,), {"component": self.component})(), f"test_{self.check}")
        arguments = (tmp_path,) if "tmp_path" in run.__code__.co_varnames else ()
        with pytest.raises(Exception, match=self.message):
            run(*arguments)

    def __str__(self) -> str:
        return f"{self.check}-{self.message[:30]}"


def checks_of(suite: type[ComponentConformance]) -> set[str]:
    """Names of a suite's own checks, without ``test_``."""
    return {name.removeprefix("test_") for name in vars(suite) if name.startswith("test_")}


def component(base: Any, **members: Any) -> Any:
    """A component whose class derives from ``base``, with these methods."""
    named = {"__module__": __name__, "__annotations__": {"name": Literal["broken"]}, "name": "broken"}
    config = {"model_config": {"use_attribute_docstrings": False}}  # searching a source that is not there takes long
    return type("Component", (base,), named | config | members)()
