"""Candidates a second: the peer, the whole network and the divided one, by turns."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.speed.clock import Peak, clock_for
from benchmarks.speed.peer import Peer
from emopms.engine.evolution import judged

if TYPE_CHECKING:
    from benchmarks.speed.subject import Subject


def peer_of(subject: Subject) -> Peer:
    """The peer for the same network, images, labels and prunable channels."""
    (task,) = subject.tasks["whole"]
    layers = [(group.name, group.size) for group in task.subnetwork.channels.groups]
    return Peer(subject.network, layers, task.inputs, task.labels)


def throughput(subject: Subject, *, repeats: int) -> tuple[dict[str, Any], np.ndarray]:
    """Time them by turns, so that whatever disturbs the machine disturbs all of them.

    In each repeat ours evaluates all candidates, the peer every ``repeats``-th of them, so that in the end it has
    evaluated all, too.

    Returns:
        Medians over the repeats; and the peer's objectives [n, 2] of all candidates.
    """
    now, peer = clock_for(subject.device), peer_of(subject)
    objectives = subject.contexts["whole"].spec.objectives
    values = np.zeros((len(subject.candidates), 2))
    rounds: list[dict[str, list[float]]] = []
    peaks: dict[str, int] = {}
    judged(subject.candidates[:1], subject.tasks["whole"][0], objectives)  # what is set up once is no candidate's cost
    peer.evaluate(subject.candidates[:1])
    for repeat in range(repeats):
        share = slice(repeat, None, repeats)
        peak, began = Peak(subject.device), now()
        values[share] = peer.evaluate(subject.candidates[share])
        seconds = {"peer": [(now() - began) / len(values[share])]}
        peaks["peer"] = max(peaks.get("peer", 0), peak.bytes())
        for way, tasks in subject.tasks.items():
            peak, seconds[way] = Peak(subject.device), []
            for task, genomes in zip(tasks, subject.parts(way), strict=True):
                began = now()
                judged(genomes, task, objectives)
                seconds[way].append((now() - began) / len(genomes))
            peaks[way] = max(peaks.get(way, 0), peak.bytes())
        rounds.append(seconds)
    return summary(rounds) | {"peak_bytes": peaks, "evaluations": evaluations(subject, rounds)}, values


def summary(rounds: list[dict[str, list[float]]]) -> dict[str, Any]:
    """Medians over repeats of candidates a second, and of their ratios within a repeat.

    Args:
        rounds: For each repeat and way the seconds a candidate of each of its sub-networks.
    """
    rates = [{way: len(parts) / sum(parts) for way, parts in seconds.items()} for seconds in rounds]
    ours = [way for way in rates[0] if way != "peer"]
    return {
        "candidates_a_second": {way: median(rate[way] for rate in rates) for way in rates[0]},
        "times_the_peer": {way: median(rate[way] / rate["peer"] for rate in rates) for way in ours},
    }


def evaluations(subject: Subject, rounds: list[dict[str, list[float]]]) -> dict[str, list[dict[str, float]]]:
    """For each of our ways and sub-networks: median seconds an evaluation, and the candidates' mean MACs an image."""
    found: dict[str, list[dict[str, float]]] = {}
    for way, tasks in subject.tasks.items():
        found[way] = [
            {
                "seconds": median(seconds[way][index] for seconds in rounds),
                "macs": float(task.subnetwork.costs.macs(genomes).mean()),
                "dense_macs": float(task.subnetwork.costs.macs(task.subnetwork.dense[None, :])[0]),
                "genes": task.subnetwork.channels.genes,
            }
            for index, (task, genomes) in enumerate(zip(tasks, subject.parts(way), strict=True))
        ]
    return found
