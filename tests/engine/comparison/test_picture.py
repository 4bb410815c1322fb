from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from emopms.engine.comparison.picture import draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _entry(method: str, target: str, accuracy: float, *, sd: float | None, macs: float = 0.5) -> dict[str, Any]:
    return {
        "method": method,
        "baseline": None if method == "ours" else {"name": method},
        "target": target,
        "seeds": [0] if sd is None else [0, 1],
        "macs_share": {"mean": macs, "sd": sd},
        "accuracy": {"mean": accuracy, "sd": sd},
        "dense_accuracy": {"mean": 0.9, "sd": sd},
    }


def _summary(sd: float | None = 0.01) -> dict[str, Any]:
    entries = [
        _entry("ours", "macs-0.5", 0.88, sd=sd),
        _entry("l1", "macs-0.5", 0.87, sd=sd),
        _entry("l1", "macs-0.3", 0.84, sd=sd, macs=0.3),
        _entry("ours", "macs-0.3", 0.83, sd=sd, macs=0.3),
    ]
    return {"name": "made-up", "methods": entries}


@pytest.fixture
def panels(monkeypatch: pytest.MonkeyPatch) -> list[Axes]:
    """The panels of the pictures that a test draws."""
    found: list[Axes] = []
    save = Figure.savefig

    def watched(figure: Figure, *arguments: Any, **more: Any) -> None:
        found.extend(figure.axes)
        save(figure, *arguments, **more)

    monkeypatch.setattr(Figure, "savefig", watched)
    return found


def test_equal_comparisons_give_equal_bytes_whatever_the_users_settings_are() -> None:
    first = draw(_summary())
    with mpl.rc_context({"lines.linewidth": 7, "svg.hashsalt": "other"}):
        assert draw(_summary()) == first
        assert mpl.rcParams["svg.hashsalt"] == "other"
    assert ElementTree.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"
    assert b"<dc:date>" not in first


def test_accuracies_over_macs_and_the_dense_network(panels: list[Axes]) -> None:
    draw(_summary())
    lines = [np.round(line.get_xydata(), 6).tolist() for line in panels[0].get_lines()]  # type: ignore[arg-type]
    assert [[30, 84], [50, 87]] in lines
    assert [[30, 83], [50, 88]] in lines
    assert [[0, 90], [1, 90]] in lines, "the dense network, over the whole width"
    low, high = panels[0].get_xlim()
    assert (low, high) == pytest.approx((25, 55))


def test_each_target_lists_its_methods_best_first(panels: list[Axes]) -> None:
    draw(_summary())
    shown = {axes.get_title(): [label.get_text() for label in axes.get_yticklabels()] for axes in panels[1:]}
    assert shown == {"macs-0.5": ["ours", "l1"], "macs-0.3": ["l1", "ours"]}
    assert [label.get_fontweight() for label in panels[1].get_yticklabels()] == ["bold", "normal"]
    assert panels[1].yaxis_inverted()


def test_whiskers_show_the_spread_over_seeds(panels: list[Axes]) -> None:
    draw(_summary(sd=0.01))
    draw(_summary(sd=None))
    several, one = (panels[index].collections[0] for index in (1, 4))
    assert several.get_segments()[0][:, 0].tolist() == pytest.approx([87, 89])  # type: ignore[attr-defined]
    assert not any(segment.size for segment in one.get_segments())  # type: ignore[attr-defined]
