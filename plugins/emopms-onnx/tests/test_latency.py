from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch
from emopms_onnx import candidates, timing
from emopms_onnx.latency import Latency
from torch import nn

from emopms.api import Cost, Task
from emopms.errors import RunError
from emopms.network import Device, FeatureDistance, subnetworks_of
from emopms.testing import ObjectiveConformance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

RUNTIMES: tuple[Literal["torch", "onnxruntime"], ...] = ("torch", "onnxruntime")


class TestLatency(ObjectiveConformance):
    """Conformance with the runtime torch. Other tests use onnxruntime with fewer candidates: conversions are slow."""

    component = Latency(repeats=2)


def task_of(network: nn.Module, images: torch.Tensor, points: Sequence[str] = ()) -> Task:
    """Return the task of the first sub-network. Its calibration features are the images."""
    sub = subnetworks_of(network.eval(), points, images)[0]
    with torch.no_grad():
        references = sub.module(images)
    labels = torch.zeros(len(images), dtype=torch.int64)
    return Task(sub, images, references, labels, FeatureDistance(), Device("cpu"), tail=lambda features: features)


@pytest.fixture
def task() -> Task:
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3))
    second = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    return task_of(nn.Sequential(first, second), torch.randn(5, 2, 6, 6), ["0"])


@pytest.fixture
def heavy() -> Task:
    """Convolutions that take a millisecond or more."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 96, 3, padding=1), nn.ReLU(), nn.Conv2d(96, 96, 3, padding=1), nn.Flatten(), nn.Linear(96 * 144, 2)
    )
    return task_of(network, torch.randn(2, 3, 12, 12))


def thinned(task: Task, share: int) -> NDArray[Any]:
    """Return the dense genome and a genome that keeps every ``share``-th channel."""
    return np.stack([task.subnetwork.dense, np.arange(task.subnetwork.channels.genes) % share == 0])


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_narrow_candidate_is_faster(heavy: Task, runtime: Literal["torch", "onnxruntime"]) -> None:
    wide, narrow = Latency(runtime=runtime, repeats=31, batch_size=2).evaluate(thinned(heavy, 16), heavy)
    assert 0 < narrow < wide, "by far, but other work may disturb either"


def test_a_larger_batch_takes_longer_even_with_fewer_inputs_kept(heavy: Task) -> None:
    dense = heavy.subnetwork.dense[None]
    one, many = (Latency(repeats=15, batch_size=size).evaluate(dense, heavy)[0] for size in (1, 24))
    assert one < many


def test_equal_widths_are_measured_once_and_equal(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    genomes = np.array([[0, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 1, 1], [1, 0, 0, 0, 0, 0]], dtype=bool)
    measured: list[int] = []

    def counting(passes: Sequence[Callable[[], object]], repeats: int) -> NDArray[np.float64]:
        measured.append(len(passes))
        return np.arange(1.0, len(passes) + 1)

    monkeypatch.setattr(timing, "median_times", counting)
    values = Latency(repeats=1).evaluate(genomes, task)
    assert measured == [3]
    assert values[0] == values[2]
    assert len(set(values.tolist())) == 3


def test_widths_tell_layers_apart() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Conv2d(3, 3, 1), nn.Flatten(), nn.Linear(3 * 4, 2))
    task = task_of(network, torch.randn(2, 1, 2, 2))
    genomes = np.array([[1, 0, 0, 1, 1, 0], [1, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 1]], dtype=bool)
    first, which = candidates.by_widths(genomes, task.subnetwork.channels)
    assert len(first) == 2
    assert which[0] == which[2] != which[1]


@pytest.mark.slow
@pytest.mark.parametrize("make_pass", [candidates.torch_pass, candidates.onnxruntime_pass])
def test_what_is_timed_is_physically_smaller_in_eval_mode_and_leaves_the_task_alone(
    task: Task, make_pass: Callable[..., candidates.Pass], monkeypatch: pytest.MonkeyPatch
) -> None:
    genome = np.array([1, 0, 1, 0, 0, 1], dtype=bool)
    task.subnetwork.module.train()
    before = copy.deepcopy(task.subnetwork.module.state_dict())
    module = candidates._cut(task, genome)
    monkeypatch.setattr(candidates, "_cut", lambda *_: module)
    make_pass(task, genome, 7)()
    assert [tuple(p.shape) for p in module.parameters()] == [(3, 2, 3, 3), (3,), (3,), (3,), (4, 3, 3, 3), (4,)]
    assert not any(part.training for part in module.modules())
    with torch.no_grad():
        task.subnetwork.module.eval()
        torch.testing.assert_close(module(task.inputs), task.subnetwork.forward(task.inputs, genome))
    torch.testing.assert_close(task.subnetwork.module.state_dict(), before, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_features_left_in_bf16_are_timed_in_fp32(task: Task, runtime: Literal["torch", "onnxruntime"]) -> None:
    rough = replace(task, inputs=task.inputs.bfloat16())
    values = Latency(runtime=runtime, repeats=1).evaluate(thinned(rough, 2), rough)
    assert (values > 0).all()


def test_flat_features_have_a_latency_too() -> None:
    task = task_of(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)), torch.randn(3, 4))
    assert (Latency(repeats=1).evaluate(thinned(task, 2), task) > 0).all()


def test_every_round_runs_every_pass_and_the_median_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, ran = [0.0], ""

    def taking(name: str, seconds: Sequence[float]) -> Callable[[], None]:
        left = iter([99.0] * timing.WARM_UP + list(seconds))

        def run() -> None:
            nonlocal ran
            ran += name
            clock[0] += next(left)

        return run

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    found = timing.median_times([taking("a", [1, 50, 2]), taking("b", [4, 4, 3])], 3)
    np.testing.assert_allclose(found, [2000, 4000])
    assert ran == "ab" * (timing.WARM_UP + 3)


def test_a_subnetwork_beyond_onnx_is_refused(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: Any, **__: Any) -> None:
        raise torch.onnx.OnnxExporterError("no such operator")

    monkeypatch.setattr(torch.onnx, "export", unsupported)
    with pytest.raises(RunError, match="cannot be converted to ONNX: OnnxExporterError: no such operator") as refused:
        Latency(runtime="onnxruntime").evaluate(thinned(task, 2), task)
    assert "runtime: onnxruntime" in refused.value.remedy


def test_latency_is_a_cost() -> None:
    assert isinstance(Latency(), Cost)
