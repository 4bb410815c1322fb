"""Checks that fast evaluation is accurate: it compares losses of the same candidates, computed in several ways."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.speed.throughput import peer_of
from emopms.builtin.objective.capability import Capability
from emopms.network.runtime.device import Device, fp32

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.speed.subject import Subject


@fp32()
def compared(subject: Subject, candidates: NDArray[np.bool_]) -> dict[str, Any]:
    """Compare losses of candidates of the whole network [n, genes] with the peer's losses, and with losses in fp32.

    The comparison with the peer uses the dense network's batch-norm statistics, as the peer does.
    """
    frozen, objective = Capability(batch_norm="running"), Capability()
    (whole,), (exact,) = subject.tasks("whole"), subject.fp32_tasks("whole")
    peer_losses = peer_of(subject).evaluate(candidates)[:, 0]
    against_peer = {"fp32": difference(frozen.evaluate(candidates, exact), peer_losses)}
    figures: dict[str, Any] = {"against_peer": against_peer}
    if subject.device.bf16:
        against_peer["bf16"] = difference(frozen.evaluate(candidates, whole), peer_losses)
    if subject.device != subject.exact:
        figures["against_fp32"] = {
            way: [
                agreement(objective.evaluate(genomes, low), objective.evaluate(genomes, high))
                for low, high, genomes in zip(
                    subject.tasks(way), subject.fp32_tasks(way), subject.parts(way), strict=True
                )
            ]
            for way in subject.contexts
        }
    return figures


@fp32()
def against_cpu(subject: Subject) -> float:
    """Return the largest relative difference between fp32 losses of the device and of the CPU, on equal features."""
    objective, cpu, worst = Capability(), Device("cpu"), 0.0
    for way, context in subject.contexts.items():
        subnetworks = replace(context, device=cpu).divide(copy.deepcopy(subject.network).cpu()).parts
        for task, sub, genomes in zip(subject.fp32_tasks(way), subnetworks, subject.parts(way), strict=True):
            there = replace(
                task,
                subnetwork=sub,
                inputs=task.inputs.cpu(),
                references=task.references.cpu(),
                labels=task.labels.cpu(),
                criterion=copy.deepcopy(task.criterion).cpu(),
                device=cpu,
            )
            own, reference = objective.evaluate(genomes, task), objective.evaluate(genomes, there)
            worst = max(worst, difference(own, reference)["relative"])
    return worst


def difference(values: NDArray[np.float64], reference: NDArray[np.float64]) -> dict[str, float]:
    """Return the largest absolute and the largest relative difference between values [n] and a reference [n]."""
    absolute = np.abs(values - reference)
    return {"absolute": float(absolute.max()), "relative": float((absolute / np.abs(reference)).max())}


def agreement(values: NDArray[np.float64], reference: NDArray[np.float64]) -> dict[str, float]:
    """Return Spearman's rank correlation and the largest differences."""
    return {"spearman": float(spearmanr(values, reference).statistic), **difference(values, reference)}
