"""How long a divided search takes to be as good as a search of the whole network after its full budget.

Both take the road of a run: the stages ``evolve/i``, ``rank``, ``join``, ``refine`` where the network is divided, and
``measure``. All but the last is the search; ``measure`` tells what it found, as many networks of either way, on images
that it did not see, and its time is given too. Searches draw lots, so both are run with several seeds, and medians are
compared.
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
from emopms.engine.storage.store import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from benchmarks.speed.subject import Subject, Way
    from emopms.engine.session.context import Context


STAGES = ("evolve", "rank", "join", "refine", "measure")


@dataclass(frozen=True)
class Standing:
    """What a search of some generations has come to: medians over seeds."""

    generations: int
    refined: int
    """Generations of the stage ``refine``."""
    evaluations: float
    hypervolume: float
    seconds: dict[str, float]
    """By stage of `STAGES`."""
    hypervolumes: tuple[float, ...]
    """With each seed."""

    @property
    def search(self) -> float:
        """Seconds until the schemes are known."""
        return sum(seconds for stage, seconds in self.seconds.items() if stage != "measure")


def race(
    subject: Subject, *, seeds: Sequence[int], whole: Sequence[int], divided: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    """Search the whole network for its full budget, and both ways for smaller ones.

    All budgets are run with one seed before the next: what slows the machine down for a while slows down both ways.

    Args:
        whole: Smaller budgets of the whole network's searches, in generations.
        divided: Budgets of the divided ones, ascending: generations a sub-network, and of refining.

    Returns:
        Standings of the ``whole`` network, the full budget's last, of all ``divided`` ones, and the ``share`` of the
        full budget's seconds of search that the first of these took that is as good; None where none is.
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
    """What a search of some budget comes to."""
    (generations, refined), context = budget, subject.contexts[way]
    algorithm = context.spec.algorithm.model_copy(update={"generations": generations})
    spec = context.spec.model_copy(update={"seed": seed, "algorithm": algorithm, "refine": refined})
    with TemporaryDirectory() as folder:
        return _search(with_same_images(context, spec=spec), subject.network, Path(folder))


def median_of(runs: Sequence[Standing]) -> Standing:
    """Of one budget with several seeds."""
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
