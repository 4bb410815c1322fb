"""Images are read from memory or one by one, and nobody can tell which."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from emopms.api import Images
from emopms.engine.images.readers import InMemory, OneByOne, take
from emopms.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS = np.array([5, 1, 8, 3])
BATCHES = [torch.tensor([0, 3]), torch.tensor([2, 1])]


class Noisy(Dataset[tuple[Tensor, int]]):
    """Items that draw from all global generators."""

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.rand(1, 2, 2) + index + float(np.random.rand()) + random.random(), index


class Broken(Noisy):
    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index == 3:
            raise DataError("Item 3 is broken.", remedy="Repair it.")
        return super().__getitem__(index)


def read(reader: InMemory | OneByOne, shuffle: torch.Generator | None = None) -> tuple[Tensor, list[int]]:
    batches = list(reader.read(BATCHES, shuffle))
    return torch.cat([pixels for pixels, _ in batches]), torch.cat([labels for _, labels in batches]).tolist()


def epoch(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_both_readers_give_the_same_images() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 3, 4, 4), dtype=np.uint8)
    images = Images(pixels, np.arange(9))
    items = list(zip(pixels, range(9), strict=True))  # a list is a dataset, too
    one, other = read(InMemory(take(images, ROWS))), read(OneByOne(items, ROWS, 0))
    assert torch.equal(one[0], other[0])
    assert one[1] == other[1] == [5, 3, 8, 1]
    assert one[0].dtype == other[0].dtype == torch.uint8
    assert (take(items, ROWS).pixels == take(images, ROWS).pixels).all()
    assert (take(items, ROWS).labels == take(images, ROWS).labels).all()


def test_items_depend_on_their_number_and_the_epoch_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    reader = OneByOne(Noisy(), ROWS, 0)
    first, again, next_epoch = read(reader, epoch(1)), read(reader, epoch(1)), read(reader, epoch(2))
    after = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], next_epoch[0])
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    other = next(iter(OneByOne(Noisy(), ROWS, 0).read([torch.tensor([1, 0])], epoch(1))))[0]
    assert torch.equal(other[1], first[0][0]), "whatever was read before it"


def test_reading_draws_nothing_from_the_generator_of_the_epoch() -> None:
    generator = epoch(1)
    state = generator.get_state()
    read(OneByOne(Noisy(), ROWS, 0), generator)
    assert torch.equal(generator.get_state(), state)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_other_processes_read_the_same(workers: int) -> None:
    alone, beside = read(OneByOne(Noisy(), ROWS, 0), epoch(7)), read(OneByOne(Noisy(), ROWS, workers), epoch(7))
    assert torch.equal(alone[0], beside[0])
    assert alone[1] == beside[1]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_an_error_keeps_its_remedy(workers: int) -> None:
    with pytest.raises(DataError, match=r"^Item 3 is broken\.\nRepair it\.$") as caught:
        read(OneByOne(Broken(), ROWS, workers))
    assert caught.value.remedy == "Repair it."


LARGE = """
import hashlib, resource, sys, torch
from torch import nn
from torch.utils.data import Dataset
from emopms.engine.images.image_sets import ImageSet
from emopms.engine.images.readers import OneByOne
from emopms.builtin.data.datasets import Datasets
from emopms.network.runtime.device import Device
import numpy as np

class Large(Dataset):
    "256 images of 3 x 1024 x 1024 bytes: 768 MiB."
    def __len__(self):
        return 256
    def __getitem__(self, index):
        image = torch.full((3, 1024, 1024), index, dtype=torch.uint8)
        return image, index % 2

workers = int(sys.argv[1])
torch.set_num_threads(1)
torch.manual_seed(0)
images = ImageSet(OneByOne(Large(), np.arange(256), workers), Datasets(), Device("cpu"))
network = nn.Sequential(nn.AvgPool2d(256), nn.Flatten(), nn.Linear(48, 2))
with torch.no_grad():
    network[2].weight.fill_(0.01)
network(torch.zeros(2, 3, 1024, 1024))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
optimizer = torch.optim.SGD(network.parameters(), 0.1)
for pixels, labels in images.batches(2, shuffle=torch.Generator().manual_seed(0)):
    loss = nn.functional.cross_entropy(network(pixels), labels)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
assert grown < 400 * 2**20, f"{grown / 2**20:.0f} MiB more"
print(hashlib.sha256(network[2].weight.detach().numpy().tobytes()).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_a_set_larger_than_the_memory_is_trained_on() -> None:
    """The process may take 400 MiB more than it had, and the images have 768 MiB."""

    def trained(workers: int) -> str:
        # glibc keeps freed blocks of less than this for itself, and by default raises the limit as it sees larger ones.
        plain = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
        command = [sys.executable, "-c", textwrap.dedent(LARGE), str(workers)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=plain)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert trained(0) == trained(2)


def test_a_list_of_batches_may_be_empty() -> None:
    nothing: Sequence[Tensor] = []
    assert list(OneByOne(Noisy(), ROWS, 0).read(nothing, None)) == []
