"""Side by side is as one after another."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import torch

from emopms.builtin.objective.capability import Capability
from emopms.network.runtime.device import Device
from emopms.network.runtime.parallel import parallel_map
from emopms.testing.tiny import genomes_of, tiny

if TYPE_CHECKING:
    from collections.abc import Iterator

CPU = Device("cpu")


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_items_without_gradients() -> None:
    weight = torch.ones(1, requires_grad=True)
    found = parallel_map(lambda item: item * weight, range(20), CPU)
    assert [int(value) for value in found] == list(range(20))
    assert not any(value.requires_grad for value in found)


def test_each_item_has_one_thread_and_everything_is_as_before_afterwards() -> None:
    seen = parallel_map(lambda _: (threading.get_ident(), torch.get_num_threads()), range(30), CPU)
    assert {count for _, count in seen} == {1}
    assert threading.get_ident() not in {thread for thread, _ in seen}
    assert torch.get_num_threads() == 3
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [3]


def test_an_error_is_the_error() -> None:
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda item: 1 / item, [1, 0, 2], CPU)


@pytest.mark.slow
@pytest.mark.parametrize("device", [CPU, Device("cpu", bf16=True), Device("cpu", bf16=True, int8=True)])
def test_candidates_have_the_same_values_on_any_number_of_threads(device: Device) -> None:
    for index in range(3):
        found = []
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            task = tiny(device=device).task(index)  # which has learnt nothing on another number of threads
            found.append(Capability().evaluate(genomes_of(task.subnetwork, 12), task).tolist())
        assert found[0] == found[1] == found[2]
