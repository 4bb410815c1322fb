"""Measures candidates per second of the peer, whole-network search and divided search, in turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.speed.clock import Peak, clock_for
from benchmarks.speed.peer import Peer
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.evaluation import Evaluations, ObjectiveEvaluation
from emopms.engine.search.loop import evolve
from emopms.engine.search.start import SampledStart
from emopms.engine.support.seeds import derive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.speed.subject import Subject
    from emopms.api import Task
    from emopms.engine.session.context import Context

PEERS = 4
"""Number of candidates per generation that the peer evaluates."""


def peer_of(subject: Subject) -> Peer:
    """Return the peer for the same network, images, labels and prunable channels."""
    (task,) = subject.tasks("whole")
    layers = [(group.name, group.size) for group in task.subnetwork.channels.groups]
    return Peer(subject.network, layers, task.inputs, task.labels)


@dataclass
class Stream:
    """A search that advances generation by generation, with its candidates and their evaluation times."""

    task: Task
    context: Context
    name: str
    genomes: list[NDArray[np.bool_]] = field(default_factory=list)
    """The new candidates of each generation."""
    seconds: list[float] = field(default_factory=list)
    """Seconds per evaluation, by generation."""

    def __post_init__(self) -> None:
        self._now = clock_for(self.task.device)
        self._cache = EvaluationCache(self)
        self._cache.evaluate(self.task.subnetwork.dense[None, :])  # exclude the one-time set-up from the times
        self.genomes.clear()
        self.seconds.clear()

    def advance(self) -> NDArray[np.bool_]:
        """Search for one more generation and return its new candidates. Earlier ones come from the cache."""
        spec = self.context.spec
        evolve(
            self.task.subnetwork,
            self.context.encoding(self.task.subnetwork),
            cache=self._cache,
            start=SampledStart(spec.sampling, self.task),
            algorithm=spec.algorithm.model_copy(update={"generations": len(self.genomes) + 1}),
            seed=derive(spec.seed, self.name, "search"),
        )
        return self.genomes[-1]

    def evaluate(self, genomes: NDArray[np.bool_]) -> Evaluations:
        """Evaluate candidates [n, genes], and note the seconds that it takes."""
        began = self._now()
        found = ObjectiveEvaluation(self.task, self.context.spec.objectives).evaluate(genomes)
        self.seconds.append((self._now() - began) / len(genomes))
        self.genomes.append(genomes)
        return found


def throughput(subject: Subject, *, generations: int) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """Run all searches for a few generations, in turn, so that other load on the machine affects all of them.

    The peer evaluates some of the candidates of each generation of whole-network search.

    Returns:
        Medians over the generations, and the candidates [n, genes] that the peer evaluated.
    """
    now, peer = clock_for(subject.device), peer_of(subject)
    streams = {
        way: [Stream(task, context, f"evolve/{index}") for index, task in enumerate(subject.tasks(way), start=1)]
        for way, context in subject.contexts.items()
    }
    peer.evaluate(subject.candidates[:1])
    rounds: list[dict[str, list[float]]] = []
    peaks: dict[str, int] = {}
    candidates = []
    for _ in range(generations):
        seconds: dict[str, list[float]] = {}
        for way, own in streams.items():
            peak = Peak(subject.device)
            for stream in own:
                stream.advance()
            seconds[way] = [stream.seconds[-1] for stream in own]
            peaks[way] = max(peaks.get(way, 0), peak.bytes())
        (whole,) = streams["whole"]
        share = whole.genomes[-1][:: -(-len(whole.genomes[-1]) // PEERS)]
        peak, began = Peak(subject.device), now()
        peer.evaluate(share)
        seconds["peer"] = [(now() - began) / len(share)]
        peaks["peer"] = max(peaks.get("peer", 0), peak.bytes())
        candidates.append(share)
        rounds.append(seconds)
    figures = summary(rounds) | {"peak_bytes": peaks, "evaluations": evaluations(streams)}
    return figures, np.concatenate(candidates)


def summary(rounds: list[dict[str, list[float]]]) -> dict[str, Any]:
    """Return medians over generations of candidates per second, and of their ratios to the peer within a generation.

    Args:
        rounds: For each generation and search, the seconds per candidate of each sub-network.
    """
    rates = [{way: len(parts) / sum(parts) for way, parts in seconds.items()} for seconds in rounds]
    ours = [way for way in rates[0] if way != "peer"]
    return {
        "candidates_a_second": {way: median(rate[way] for rate in rates) for way in rates[0]},
        "times_the_peer": {way: median(rate[way] / rate["peer"] for rate in rates) for way in ours},
        "by_generation": rounds,
    }


def evaluations(streams: dict[Any, list[Stream]]) -> dict[str, list[dict[str, Any]]]:
    """Return the median seconds per evaluation and the candidates' mean MACs, for each search and sub-network."""
    return {
        way: [
            {
                "seconds": median(stream.seconds),
                "macs": float(stream.task.subnetwork.costs.macs(np.concatenate(stream.genomes)).mean()),
                "dense_macs": float(stream.task.subnetwork.costs.macs(stream.task.subnetwork.dense[None, :])[0]),
                "genes": stream.task.subnetwork.channels.genes,
                "how": stream.task.precision_notes(),
            }
            for stream in own
        ]
        for way, own in streams.items()
    }
