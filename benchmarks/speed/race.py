"""Measures the time until divided search is as good as whole-network search with its full budget.

Both run the stages of a normal run: ``evolve/i``, ``rank``, ``join``, ``refine`` (only for divided search) and
``measure``. All stages before ``measure`` are the search. ``measure`` evaluates equally many networks of both searches
on images that the search did not use; its time is reported separately. Searches are random, so both run with several
seeds and medians are compared.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.speed.clock import clock_for
from benchmarks.speed.subject import with_same_images
from emopms.engine.search.criteria import make_criteria
from emopms.engine.stages.evolve import Evolve
from emopms.engine.stages.join import Join
from emopms.engine.stages.measure import Measure
from emopms.engine.stages.rank import Rank
from emopms.engine.stages.refine import Refine
from emopms.engine.storage.artefact import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from benchmarks.speed.subject import Subject, Way
    from emopms.engine.session.context import Context


STAGES = ("evolve", "rank", "join", "refine", "measure")


@dataclass(frozen=True)
class Standing:
    """The result of searches with one budget: medians over seeds."""

    generations: int
    refined: int
    """Generations of the stage ``refine``."""
    evaluations: float
    hypervolume: float
    seconds: dict[str, float]
    """Seconds by stage of `STAGES`."""
    hypervolumes: tuple[float, ...]
    """The hypervolume for each seed."""

    @property
    def search(self) -> float:
        """Seconds of all stages before ``measure``."""
        return sum(seconds for stage, seconds in self.seconds.items() if stage != "measure")


def race(
    subject: Subject, *, seeds: Sequence[int], whole: Sequence[int], divided: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    """Run whole-network search with its full budget, and both searches with smaller budgets.

    All budgets are run with one seed before the next seed, so that a slow period of the machine affects both searches.

    Args:
        subject: The network to search.
        seeds: Seeds of the searches.
        whole: Smaller budgets of whole-network search, in generations.
        divided: Budgets of divided search, ascending: generations per sub-network, and generations of refinement.

    Returns:
        The results of ``whole`` (the full budget comes last) and of ``divided``, and the ``share``: the search seconds
        of the first divided search that is as good as whole-network search with the full budget, relative to its
        search seconds. None if no divided search is as good.
    """
    full = subject.contexts["whole"].spec.algorithm.generations
    budgets: dict[Way, list[tuple[int, int]]] = {
        "whole": [(each, 0) for each in (*whole, full)],
        "divided": list(divided),
    }
    runs = [
        {way: [standing(subject, way, seed, each) for each in own] for way, own in budgets.items()} for seed in seeds
    ]
    wholes, divideds = ([median_of(same) for same in zip(*(run[way] for run in runs), strict=True)] for way in budgets)
    goal = wholes[-1]
    share = next((each.search / goal.search for each in divideds if each.hypervolume >= goal.hypervolume), None)
    return {"whole": [asdict(each) for each in wholes], "divided": [asdict(each) for each in divideds], "share": share}


def standing(subject: Subject, way: Way, seed: int, budget: tuple[int, int]) -> Standing:
    """Run one search with one budget and one seed."""
    (generations, refined), context = budget, subject.contexts[way]
    algorithm = context.spec.algorithm.model_copy(update={"generations": generations})
    spec = context.spec.model_copy(update={"seed": seed, "algorithm": algorithm, "refine": refined})
    with TemporaryDirectory() as folder:
        return _search(with_same_images(context, spec=spec), subject.network, Path(folder))


def median_of(runs: Sequence[Standing]) -> Standing:
    """Return the medians of runs with one budget and several seeds."""
    return Standing(
        generations=runs[0].generations,
        refined=runs[0].refined,
        evaluations=median(run.evaluations for run in runs),
        hypervolume=median(run.hypervolume for run in runs),
        seconds={stage: median(run.seconds[stage] for run in runs) for stage in runs[0].seconds},
        hypervolumes=tuple(run.hypervolume for run in runs),
    )


def _search(context: Context, network: nn.Module, folder: Path) -> Standing:
    spec, parts = context.spec, context.divide(network).parts
    searches = [f"evolve/{sub.name}" for sub in parts]
    divided = len(parts) > 1
    names = ("constrain", "selectors", *searches, *STAGES[1:])
    work = {name: Workspace(folder / name, stage=name, key="race") for name in names}
    work["constrain"].save_tensors("network", network.state_dict())
    work["selectors"].save_tensors("judges", make_criteria(context, parts).state_dict())
    now, seconds = clock_for(context.device), dict.fromkeys(STAGES, 0.0)
    for stage in (
        *(Evolve(name=name, settings={}, index=index) for index, name in enumerate(searches)),
        Rank(name="rank", settings={}),
        Join(name="join", settings={}),
        *([Refine(name="refine", settings={})] if divided else []),
        Measure(name="measure", settings={}, found_by="refine" if divided else "join"),
    ):
        began = now()
        stage.run(context, work, work[stage.name])
        seconds[stage.name.partition("/")[0]] += now() - began
    found = [work[name].json("search") for name in (*searches, *(["refine"] if divided else []))]
    volume = work["measure"].json("summary")["hypervolume"]
    return Standing(
        generations=spec.algorithm.generations,
        refined=spec.refine,
        evaluations=sum(search["evaluations"] for search in found),
        hypervolume=volume,
        seconds=seconds,
        hypervolumes=(volume,),
    )
