from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from emopms import registry

from . import fakes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_ENTRY_POINTS = registry._entry_points


class Write(Protocol):
    def __call__(self, text: str, *, name: str = ...) -> Path: ...


@pytest.fixture(autouse=True, scope="package")
def components() -> Iterator[None]:
    """Only the fakes are installed."""
    with pytest.MonkeyPatch.context() as patch:
        registry._installed.cache_clear()
        patch.setattr(registry, "_entry_points", fakes.entry_points)
        yield
    registry._installed.cache_clear()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is really installed, in the place of the fakes."""
    registry._installed.cache_clear()
    monkeypatch.setattr(registry, "_entry_points", _ENTRY_POINTS)
    yield
    registry._installed.cache_clear()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a spec file."""

    def write_file(text: str, *, name: str = "spec.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file
