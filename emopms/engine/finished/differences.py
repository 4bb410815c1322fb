"""What differs between two finished runs: specs, fronts and models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emopms.api import settings_by_path
from emopms.engine.search.named_costs import cost_names

if TYPE_CHECKING:
    from emopms.engine.finished.result import Result

_SHARES = (0.7, 0.5, 0.4, 0.3)
"""Shares of the MACs at which the fronts are compared."""


@dataclass(frozen=True)
class Difference:
    """One figure or setting of two runs, as text. It is empty for a run that does not have it."""

    name: str
    first: str
    second: str


@dataclass(frozen=True)
class Differences:
    """What differs between two runs."""

    spec: list[Difference]
    """Keys of the spec whose values differ, such as ``algorithm.generations``."""
    search: list[Difference]
    """Figures of the dense networks, of the searches and of their fronts."""
    models: list[Difference]
    """Test accuracy, and the share of the MACs, of each model."""


def differences(first: Result, second: Result) -> Differences:
    """Compare two finished runs.

    Args:
        first: A run.
        second: Another run.
    """
    specs = [settings_by_path(result.spec.resolved()) for result in (first, second)]
    searches = [_search(result) for result in (first, second)]
    models = [_models(result) for result in (first, second)]
    return Differences(
        spec=[row for row in _side_by_side(*specs) if row.first != row.second],
        search=_side_by_side(*searches),
        models=_side_by_side(*models),
    )


def _side_by_side(first: dict[str, str], second: dict[str, str]) -> list[Difference]:
    return [Difference(name, first.get(name, ""), second.get(name, "")) for name in dict.fromkeys([*first, *second])]


def _search(result: Result) -> dict[str, str]:
    summary, front = result.summary, result.front
    found = {
        "dense, on test images": f"{summary['dense']['accuracy']:.2%}",
        f"hypervolume of loss and {cost_names(result.spec)[0]}": f"{summary['search']['hypervolume']:.4f}",
        "evaluations": f"{summary['search']['evaluations']:,}",
        "search, seconds": f"{summary['search']['seconds']:,.1f}",
        "Kendall's tau": f"{summary['rank']['kendall_tau']:.3f}",
        "knee, on validation images": f"{front.knee.accuracy:.2%} at {front.knee.shares['macs']:.1%} of the MACs",
    }
    for share in _SHARES:
        points = [point.accuracy for point in front if point.shares["macs"] <= share]
        found[f"best within {share:.0%} of the MACs, on validation images"] = f"{max(points):.2%}" if points else "none"
    return found


def _models(result: Result) -> dict[str, str]:
    dense = result.summary["dense"]
    return {
        model["target"]: f"{model['accuracy']:.2%} at {model['macs'] / dense['macs']:.1%} of the MACs"
        for model in result.summary["models"]
    }
