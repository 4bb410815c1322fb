"""How long a divided search takes to be as good as a search of the whole network after its full budget.

Both take the road of a run: the stages ``evolve/i``, ``rank`` and ``join``. The search is ``evolve`` and ``rank``;
``join`` measures what it found, as many networks of either way, on images that it did not see, and its time is
given too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.speed.clock import clock_for
from benchmarks.speed.subject import with_same_images
from emopms.engine.judges import make_judges
from emopms.engine.stages.evolve import Evolve
from emopms.engine.stages.join import Join
from emopms.engine.stages.rank import Rank
from emopms.engine.store import Workspace

if TYPE_CHECKING:
    from torch import nn

    from benchmarks.speed.subject import Subject
    from emopms.engine.context import Context


@dataclass(frozen=True)
class Standing:
    """What a search has come to."""

    generations: int
    evaluations: int
    hypervolume: float
    seconds: dict[str, float]
    """By stage: ``evolve``, ``rank`` and ``join``."""

    @property
    def search(self) -> float:
        """Seconds until the schemes are known."""
        return self.seconds["evolve"] + self.seconds["rank"]


def race(subject: Subject) -> dict[str, Any]:
    """Search the whole network, find how many generations the divided search needs for as much, and time these anew.

    Returns:
        ``whole`` and ``divided`` (None where the full budget did not suffice), and the ``share`` of the seconds of
        search.
    """
    whole, divided = subject.contexts["whole"], subject.contexts["divided"]
    budget = whole.spec.algorithm.generations
    goal = _search(whole, subject.network, budget)
    with TemporaryDirectory() as folder:  # shared by all attempts: each goes on where the one before ended
        attempts = (
            _search(divided, subject.network, generations, folder=Path(folder)) for generations in checkpoints(budget)
        )
        tried = []
        for attempt in attempts:
            tried.append(attempt)
            if attempt.hypervolume >= goal.hypervolume:
                break
    reached = tried[-1].hypervolume >= goal.hypervolume
    winner = _search(divided, subject.network, tried[-1].generations) if reached else None
    return {
        "whole": asdict(goal),
        "divided": asdict(winner) if winner else None,
        "share": winner.search / goal.search if winner else None,
        "tried": [{"generations": a.generations, "hypervolume": a.hypervolume} for a in tried],
    }


def checkpoints(budget: int) -> list[int]:
    """Numbers of generations at which to look: each half as many again as the one before, and the budget."""
    numbers = [1]
    while numbers[-1] < budget:
        numbers.append(min(budget, max(numbers[-1] + 1, numbers[-1] * 3 // 2)))
    return numbers


def _search(context: Context, network: nn.Module, generations: int, *, folder: Path | None = None) -> Standing:
    """Run the stages in a folder of their own, or in one in which a shorter search of the same seed has been run."""
    if folder is None:
        with TemporaryDirectory() as own:
            return _search(context, network, generations, folder=Path(own))
    algorithm = context.spec.algorithm.model_copy(update={"generations": generations})
    context = with_same_images(context, spec=context.spec.model_copy(update={"algorithm": algorithm}))
    parts = context.divide(network).parts
    names = [f"evolve/{sub.name}" for sub in parts]
    work = {
        name: Workspace(folder / name, stage=name, key="race")
        for name in ("constrain", "selectors", *names, "rank", "join")
    }
    work["constrain"].save_tensors("network", network.state_dict())
    work["selectors"].save_tensors("judges", make_judges(context, parts).state_dict())
    evolves = [Evolve(name=name, settings={}, index=index) for index, name in enumerate(names)]
    seconds, now = dict.fromkeys(("evolve", "rank", "join"), 0.0), clock_for(context.device)
    for stage in (*evolves, Rank(name="rank", settings={}), Join(name="join", settings={})):
        began = now()
        stage.run(context, work, work[stage.name])
        seconds[stage.name.partition("/")[0]] += now() - began
    evaluations = sum(work[name].json("search")["evaluations"] for name in names)
    return Standing(generations, evaluations, work["join"].json("summary")["hypervolume"], seconds)
