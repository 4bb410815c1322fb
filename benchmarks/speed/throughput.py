"""Candidates a second: the peer, the whole network and the divided one, by turns."""

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
"""Candidates of each generation that the peer evaluates."""


def peer_of(subject: Subject) -> Peer:
    """The peer for the same network, images, labels and prunable channels."""
    (task,) = subject.tasks("whole")
    layers = [(group.name, group.size) for group in task.subnetwork.channels.groups]
    return Peer(subject.network, layers, task.inputs, task.labels)


@dataclass
class Stream:
    """The candidates that a search asks for, generation by generation, and the seconds that their evaluation takes."""

    task: Task
    context: Context
    name: str
    genomes: list[NDArray[np.bool_]] = field(default_factory=list)
    """Of each generation, those that were not known before."""
    seconds: list[float] = field(default_factory=list)
    """An evaluation, by generation."""

    def __post_init__(self) -> None:
        self._now = clock_for(self.task.device)
        self._cache = EvaluationCache(self)
        self._cache.evaluate(self.task.subnetwork.dense[None, :])  # what is set up once is no candidate's cost
        self.genomes.clear()
        self.seconds.clear()

    def advance(self) -> NDArray[np.bool_]:
        """Search for one generation more; returns its new candidates. Those before are asked for again, and known."""
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
    """Search in all ways for a few generations, by turns, so that whatever disturbs the machine disturbs all of them.

    The peer evaluates some of each generation's candidates of the whole network.

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
    """Medians over generations of candidates a second, and of their ratios within a generation.

    Args:
        rounds: For each generation and way the seconds a candidate of each of its sub-networks.
    """
    rates = [{way: len(parts) / sum(parts) for way, parts in seconds.items()} for seconds in rounds]
    ours = [way for way in rates[0] if way != "peer"]
    return {
        "candidates_a_second": {way: median(rate[way] for rate in rates) for way in rates[0]},
        "times_the_peer": {way: median(rate[way] / rate["peer"] for rate in rates) for way in ours},
        "by_generation": rounds,
    }


def evaluations(streams: dict[Any, list[Stream]]) -> dict[str, list[dict[str, Any]]]:
    """For each of our ways and sub-networks: median seconds an evaluation, and the candidates' mean MACs an image."""
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
