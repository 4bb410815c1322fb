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
from emopms.engine.judges import make_judges
from emopms.engine.stages.evolve import Evolve
from emopms.engine.stages.join import Join
from emopms.engine.stages.measure import Measure
from emopms.engine.stages.rank import Rank
from emopms.engine.stages.refine import Refine
from emopms.engine.store import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from benchmarks.speed.subject import Subject, Way
    from emopms.engine.context import Context


STAGES = ("evolve", "rank", "join", "refine", "measure")


@dataclass(frozen=True)
class Standing:
    """What a search has come to after some generations: medians over seeds."""

    generations: int
    evaluations: float
    hypervolume: float
    seconds: dict[str, float]
    """By stage of `STAGES`; all generations so far."""
    hypervolumes: tuple[float, ...]
    """With each seed."""

    @property
    def search(self) -> float:
        """Seconds until the schemes are known."""
        return sum(seconds for stage, seconds in self.seconds.items() if stage != "measure")


def race(subject: Subject, *, seeds: Sequence[int], looks: Sequence[int]) -> dict[str, Any]:
    """Search the whole network for its full budget, and the divided one up to it.

    Args:
        looks: Numbers of generations after which the divided search is looked at, ascending.

    Returns:
        ``whole``, all ``divided``, and the ``share`` of the seconds of search that the first of these took that is as
        good; None where none is.
    """
    budget = subject.contexts["whole"].spec.algorithm.generations
    (goal,) = standings(subject, "whole", seeds, [budget])
    divided = standings(subject, "divided", seeds, looks)
    share = next((each.search / goal.search for each in divided if each.hypervolume >= goal.hypervolume), None)
    return {"whole": asdict(goal), "divided": [asdict(each) for each in divided], "share": share}


def standings(subject: Subject, way: Way, seeds: Sequence[int], looks: Sequence[int]) -> list[Standing]:
    """How a search stands after some generations; each look goes on where the one before ended."""
    found = []
    for seed in seeds:
        context = subject.contexts[way]
        context = with_same_images(context, spec=context.spec.model_copy(update={"seed": seed}))
        with TemporaryDirectory() as folder:
            found.append(_search(context, subject.network, Path(folder), looks))
    return [median_of(looks) for looks in zip(*found, strict=True)]


def median_of(runs: Sequence[Standing]) -> Standing:
    """Of as many generations with several seeds."""
    return Standing(
        generations=runs[0].generations,
        evaluations=median(run.evaluations for run in runs),
        hypervolume=median(run.hypervolume for run in runs),
        seconds={stage: median(run.seconds[stage] for run in runs) for stage in runs[0].seconds},
        hypervolumes=tuple(run.hypervolume for run in runs),
    )


def _search(context: Context, network: nn.Module, folder: Path, looks: Sequence[int]) -> list[Standing]:
    parts = context.divide(network).parts
    names = [f"evolve/{sub.name}" for sub in parts]
    inputs = {name: Workspace(folder / name, stage=name, key="race") for name in ("constrain", "selectors", *names)}
    inputs["constrain"].save_tensors("network", network.state_dict())
    inputs["selectors"].save_tensors("judges", make_judges(context, parts).state_dict())
    now, found, evolving = clock_for(context.device), [], 0.0
    for generations in looks:
        algorithm = context.spec.algorithm.model_copy(update={"generations": generations})
        looked = with_same_images(context, spec=context.spec.model_copy(update={"algorithm": algorithm}))
        ends = {
            name: Workspace(folder / name / str(generations), stage=name, key=str(generations)) for name in STAGES[1:]
        }
        work, seconds = inputs | ends, dict.fromkeys(STAGES, 0.0)
        divided = len(parts) > 1
        for stage in (
            *(Evolve(name=name, settings={}, index=index) for index, name in enumerate(names)),
            Rank(name="rank", settings={}),
            Join(name="join", settings={}),
            *([Refine(name="refine", settings={})] if divided else []),
            Measure(name="measure", settings={}, found_by="refine" if divided else "join"),
        ):
            began = now()
            stage.run(looked, work, work[stage.name])
            seconds[stage.name.partition("/")[0]] += now() - began
        evolving = seconds["evolve"] = seconds["evolve"] + evolving
        searches = [*names, *(["refine"] if divided else [])]
        evaluations = sum(work[name].json("search")["evaluations"] for name in searches)
        volume = work["measure"].json("summary")["hypervolume"]
        found.append(Standing(generations, evaluations, volume, seconds, (volume,)))
    return found
