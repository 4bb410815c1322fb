from __future__ import annotations

import sys

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from emopms.engine.drawing.style import FORMATS, can_draw, encode, style


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_draw()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not can_draw()


def test_the_users_settings_do_not_count_and_are_back_afterwards() -> None:
    with mpl.rc_context({"lines.linewidth": 7, "font.size": 30}):
        with style(font_size=8.0):
            assert (mpl.rcParams["lines.linewidth"], mpl.rcParams["font.size"]) == (1.5, 8.0)
        assert (mpl.rcParams["lines.linewidth"], mpl.rcParams["font.size"]) == (7, 30)


@pytest.mark.parametrize("form", FORMATS)
def test_equal_figures_give_equal_bytes_without_a_date(form: str) -> None:
    with style():
        first, second = (encode(Figure(figsize=(1, 1)), form) for _ in range(2))
    assert first == second
    assert b"CreationDate" not in first
    assert b"<dc:date>" not in first
