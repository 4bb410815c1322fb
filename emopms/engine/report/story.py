"""What a report tells of a run, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from emopms.engine.results.front import RankedFront
from emopms.engine.results.search_summary import SearchSummary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.results.joint_front import JointFront
    from emopms.engine.storage.artefact import Artefact


@dataclass(frozen=True)
class SearchStory:
    """What a report tells of one search."""

    name: str
    """Name of the stage, such as ``evolve/1``."""
    history: Sequence[Sequence[float]]
    """Numbers of evaluated candidates and hypervolumes, one pair for each generation; empty if they were not stored."""
    front: Sequence[tuple[float, float]]
    """The cost of the front's points in the first cost objective, as a share of the dense sub-network's, and their
    impairments. Empty for a search of the whole network."""


def tells_of_searches(stage: str) -> bool:
    """Return whether `searches_of` reads the results of a stage."""
    return stage in ("rank", "refine") or stage.startswith("evolve/")


def searches_of(artefacts: Mapping[str, Artefact]) -> list[SearchStory]:
    """Return what a report tells of the searches of a run.

    Args:
        artefacts: The stored results of the stages, by name of the stage. Those that `tells_of_searches` names are
            enough. Without ``rank``, there are no fronts.
    """
    found = []
    for name, artefact in artefacts.items():
        kind, _, index = name.partition("/")
        if kind == "evolve" and "rank" not in artefacts:
            front = []
        elif kind == "evolve":
            ranked = RankedFront.load(artefacts["rank"], index)
            shares = ranked.costs[:, 0] / ranked.costs[ranked.dense, 0]
            front = list(zip(shares.tolist(), ranked.impairment.tolist(), strict=True))
        elif kind == "refine":
            front = []
        else:
            continue
        found.append(SearchStory(name, SearchSummary.load(artefact).history, front))
    return found


@dataclass(frozen=True)
class RunStory:
    """What a report tells of one run."""

    name: str
    """Name of the run directory, or its path."""
    path: str
    """The run directory for commands, as the user named it; empty if the page lies in it."""
    summary: Mapping[str, Any]
    """The content of ``result.json``."""
    front: JointFront
    """The measured schemes."""
    widths: NDArray[np.int32]
    """Number of output channels [schemes, layers] that each scheme keeps, in the order of ``front``."""
    costs: Sequence[str]
    """Names of the costs among the objectives, such as ``macs``."""
    searches: Sequence[SearchStory]
    """The searches."""
    manifest: Mapping[str, Any]
    """The content of ``manifest.json``."""
    spec: str
    """The spec with all defaults, in YAML."""

    def as_json(self) -> dict[str, Any]:
        """Return the story in the form that the script of the report reads."""
        points = [
            asdict(point) | {"widths": widths} for point, widths in zip(self.front, self.widths.tolist(), strict=True)
        ]
        return {
            "name": self.name,
            "path": self.path,
            "summary": self.summary,
            "points": points,
            "knee": self.front.knee.scheme,
            "dense": self.front.dense.scheme,
            "costs": list(self.costs),
            "searches": [asdict(search) for search in self.searches],
        }
