"""Measures the time of each kind of operation in the evaluation of a population, with PyTorch's profiler."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from torch.profiler import ProfilerActivity, profile

from benchmarks.speed.machine_rate import one_thread
from benchmarks.speed.subject import sharing_nothing
from emopms.engine.search.evaluation import ObjectiveEvaluation

if TYPE_CHECKING:
    from benchmarks.speed.subject import Subject, Way

KINDS: Final = {
    "convolution": ("convolution", "conv2d", "cudnn_conv", "qconv"),
    "batch norm": ("batch_norm", "batchnorm"),
    "sums and activations": ("relu", "add", "clamp_min", "threshold"),
    "layout and number format": ("copy_", "clone", "contiguous", "to_copy"),
    "slicing": ("index_select",),
}
"""Kinds of operations, by parts of their names in ATen. The first matching kind counts."""


def operations(subject: Subject, way: Way) -> dict[str, float]:
    """Return the share of wall time by kind of operation. Time outside of operations is ``Python and waiting``.

    It uses one thread, as the evaluation of each candidate does. On CUDA, times are those of the kernels.
    """
    seconds: dict[str, float] = dict.fromkeys((*KINDS, "other operations"), 0.0)
    cuda = subject.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    tasks = [sharing_nothing(task) for task in subject.tasks(way)]
    with one_thread(), profile(activities=activities) as profiler:
        began = perf_counter()
        for task, genomes in zip(tasks, subject.parts(way), strict=True):
            ObjectiveEvaluation(task, subject.contexts[way].spec.objectives).evaluate(genomes)
        wall = perf_counter() - began
    for event in profiler.key_averages():
        if event.device_type.name != "CPU":
            continue  # a kernel: its time is also counted for the operation that launched it
        spent = event.self_device_time_total if cuda else event.self_cpu_time_total
        seconds[kind_of(event.key)] += spent / 1e6
    seconds["Python and waiting"] = max(0.0, wall - sum(seconds.values()))
    return {kind: spent / wall for kind, spent in seconds.items()}


def kind_of(operation: str) -> str:
    """Return the kind of an operation such as ``aten::native_batch_norm``."""
    return next((kind for kind, parts in KINDS.items() if any(p in operation for p in parts)), "other operations")
