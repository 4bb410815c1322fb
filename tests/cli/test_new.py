from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from .conftest import Shown


def test_it_writes_here_and_says_what_next(
    emopms: Callable[..., Shown], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = emopms("new", "objective", "my_cost")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == (
        "emopms-my-cost/ is a package with the objective my_cost. Next:\n"
        "  cd emopms-my-cost\n"
        "  pip install -e '.[test]' && pytest\n"
        "  emopms plugins objective/my_cost\n"
    )
    assert (tmp_path / "emopms-my-cost" / "emopms_my_cost.py").exists()


def test_dashes_become_underscores(emopms: Callable[..., Shown], tmp_path: Path) -> None:
    shown = emopms("new", "objective", "my-other-cost", "--into", tmp_path)
    assert (shown.code, shown.err) == (0, "")
    assert "is a package with the objective my_other_cost." in shown.out
    assert "  emopms plugins objective/my_other_cost\n" in shown.out
    written = (tmp_path / "emopms-my-other-cost" / "emopms_my_other_cost.py").read_text()
    assert 'name: Literal["my_other_cost"]' in written


def test_it_writes_elsewhere(emopms: Callable[..., Shown], tmp_path: Path) -> None:
    assert emopms("new", "ranker", "mine", "--into", tmp_path / "there").code == 0
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["emopms-mine"]
    shown = emopms("new", "ranker", "mine", "--into", tmp_path / "there")
    assert (shown.code, shown.out) == (2, "")
    assert "exists" in shown.err


def test_names_refused(emopms: Callable[..., Shown], tmp_path: Path) -> None:
    for name in ("macs", "a--b", "null"):
        shown = emopms("new", "objective", name, "--into", tmp_path)
        assert (shown.code, shown.out) == (2, "")
        assert shown.err.startswith("error: ")
    assert not list(tmp_path.iterdir())
