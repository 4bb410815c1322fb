"""``emopms show`` as a user meets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import emopms as package

    from .conftest import Shown


@pytest.fixture
def shown(emopms: Callable[..., Shown], finished: package.Result) -> Shown:
    return emopms("show", finished.folder)


def test_models_front_and_sub_networks(shown: Shown, finished: package.Result) -> None:
    assert (shown.code, shown.err) == (0, "")
    lines = [line.split() for line in shown.out.splitlines() if line]
    (model,) = finished.summary["models"]
    knee = finished.front.knee
    assert ["knee:", "scheme", str(knee.scheme) + ","] == next(line for line in lines if line[0] == "knee:")[:3]
    numbers = [line[0] for line in lines if "%" in "".join(line[2:4]) and line[0].isdigit()]
    assert {str(point.scheme) for point in finished.front if point.on_front} <= set(numbers)
    parts = [line for line in lines if line[0] == "macs-0.6" and "of" in line]
    assert parts[0][1:5] == [
        *("1", str(model["subnetworks"][0]["kept_channels"]), "of", str(model["subnetworks"][0]["channels"]))
    ]


def test_the_layers_of_a_model(emopms: Callable[..., Shown], finished: package.Result) -> None:
    shown = emopms("show", finished.folder, "--model", "macs-0.6")
    assert shown.code == 0
    for layer in finished.summary["models"][0]["layers"]:
        (line,) = [line.split() for line in shown.out.splitlines() if line.startswith(layer["name"] + " ")]
        assert line[1:4] == [layer["subnetwork"], f"{layer['channels']:,}", f"{layer['kept_channels']:,}"]
        assert line[5:7] == [f"{layer['macs']:,}", f"{layer['kept_macs']:,}"]


def test_what_cannot_be_shown(emopms: Callable[..., Shown], finished: package.Result, tmp_path: Path) -> None:
    shown = emopms("show", finished.folder, "--model", "macs-0.5")
    assert shown.code == 3
    assert "Did you mean 'macs-0.6'?" in shown.err
    shown = emopms("show", tmp_path)
    assert shown.code == 3
    assert "holds no finished run" in shown.err
