"""Datasets of torch that a Python program holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from emopms.api import Folder, Source
from emopms.builtin.data import _datasets
from emopms.builtin.data.datasets import Datasets, Given
from emopms.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

NOWHERE = Folder(Path("nowhere"), "unused")


class Items(Dataset[Any]):
    """Six images; some items may be replaced."""

    def __init__(self, **other: Any) -> None:
        self._other = {int(name.removeprefix("at_")): item for name, item in other.items()}

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        item = self._other.get(index, (torch.full((1, 2, 3), float(index)), index % 3))
        if isinstance(item, Exception):
            raise item
        return item


class Named(Items):
    classes = ("ant", "bee", "cat")


def opened(train: Any = None, test: Any = None, **other: Any) -> Source:
    given = {"validation": None, "workers": 0, "identity": None, "classes": 3} | other
    return Datasets().holding(Given(train or Items(), test or Items(), **given)).open(NOWHERE)


def test_the_facts_are_those_of_the_datasets() -> None:
    source = opened(Named(), validation=Items(), workers=2)
    assert (source.shape, source.classes, source.workers) == ((1, 2, 3), ("ant", "bee", "cat"), 2)
    assert (source.train_size, source.validation_size, source.test_size) == (6, 6, 6)
    assert opened().validation_size == 0
    assert opened(classes=4).classes == ("0", "1", "2", "3")
    with pytest.raises(DataError, match=r"`train.classes` has 3 names, and the network tells 4 classes apart"):
        opened(Named(), classes=4)


class Renamed(Items):
    classes = ("bee", "ant", "cat")


@pytest.mark.parametrize("part", ["test", "validation"])
def test_the_classes_of_all_datasets_are_the_same(part: str) -> None:
    assert opened(Named(), **{part: Named()}).classes == Named.classes
    with pytest.raises(DataError, match=rf"`{part}.classes` and `train.classes` differ: bee, ant, cat"):
        opened(Named(), **{part: Renamed()})


def test_items_are_read_one_by_one() -> None:
    train = opened(
        Items(at_1=(np.ones((1, 2, 3), np.float32), np.int64(2)), at_2=(torch.ones(1, 2, 3), torch.tensor(1)))
    )
    dataset = train.one_by_one("train")
    assert dataset is not None
    pixels, label = dataset[1]
    assert isinstance(pixels, Tensor)
    assert (pixels.dtype, label, dataset[2][1]) == (torch.float32, 2, 1)
    assert train.train().pixels.shape == (6, 1, 2, 3)
    assert train.train().labels.tolist() == [0, 2, 1, 0, 1, 2]


def test_a_tensor_dataset_is_in_memory_already() -> None:
    data = TensorDataset(torch.rand(6, 1, 2, 3), torch.arange(6) % 3)
    source = opened(data, data)
    assert source.one_by_one("train") is None
    assert torch.equal(torch.from_numpy(source.train().pixels), data.tensors[0])


@pytest.mark.parametrize(
    ("item", "said", "remedy"),
    [
        (torch.ones(1, 2, 3), "is no pair of an image and its class", "(image, class number)"),
        ((torch.ones(1, 2, 3), 1, 2), "is no pair of an image and its class", "(image, class number)"),
        (("cat.jpg", 1), "has the image 'cat.jpg' (str)", "ToTensor"),
        ((torch.ones(1, 2, 3, dtype=torch.float64), 1), "a Tensor of float64, shape [1, 2, 3]", "float32"),
        ((torch.ones(1, 3, 3), 1), "shape [1, 3, 3], not [1, 2, 3], as the first training image", "one size"),
        ((torch.ones(2, 3), 1), "shape [2, 3], not [1, 2, 3]", "one size"),
        ((torch.ones(1, 2, 3, dtype=torch.uint8), 1), "uint8, and the first training image is of float32", "same type"),
        ((torch.full((1, 2, 3), torch.nan), 1), "an image with NaN or infinite values", "Repair"),
        ((torch.ones(1, 2, 3), 3), "class 3, and the network tells 3 classes apart, from 0 to 2", "Number the classes"),
        ((torch.ones(1, 2, 3), -1), "class -1", "Number the classes"),
        ((torch.ones(1, 2, 3), 1.5), "has the class 1.5 (float)", "number of its class"),
        ((torch.ones(1, 2, 3), torch.ones(3)), "has the class a Tensor of float32", "number of its class"),
        ((torch.ones(1, 2, 3), "cat"), "has the class 'cat' (str)", "number of its class"),
        (OSError("no such file"), "cannot be read: OSError: no such file", "Repair the dataset"),
    ],
)
@pytest.mark.parametrize("part", ["train", "test", "validation"])
def test_a_wrong_item_is_named(part: str, item: Any, said: str, remedy: str) -> None:
    with pytest.raises(DataError) as caught:
        opened(**{part: Items(at_4=item)})
    assert caught.value.message.startswith(f"Item 4 of the dataset `{part}`")
    assert said in caught.value.message
    assert remedy in caught.value.remedy


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(())


@pytest.mark.parametrize(
    ("dataset", "said"), [(Endless(), "whose items have no numbers"), ([], "is empty"), (7, "7 (int)")]
)
def test_what_is_no_dataset_is_refused(dataset: Any, said: str) -> None:
    given = Given(dataset, Items(), None, workers=0, identity=None, classes=3)
    with pytest.raises(DataError, match="train") as caught:
        Datasets().holding(given).open(NOWHERE)
    assert said in caught.value.message


def test_the_fingerprint_is_that_of_the_content() -> None:
    known = opened().fingerprint
    assert opened().fingerprint == known
    assert opened(workers=3).fingerprint == known
    for part in ("train", "test"):
        other = Items(at_5=(torch.zeros(1, 2, 3), 2))
        assert opened(**{part: other}).fingerprint != known
        assert opened(**{part: Items(at_5=(torch.full((1, 2, 3), 5.0), 1))}).fingerprint != known
    assert opened(validation=Items()).fingerprint != known
    assert opened(identity="mine").fingerprint == "mine"


class Augmented(Items):
    def __init__(self, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self._generator = generator

    def __getitem__(self, index: int) -> Any:
        return torch.rand(1, 2, 3, generator=self._generator), 0


def test_a_transform_may_draw_random_numbers() -> None:
    assert opened(Augmented()).fingerprint == opened(Augmented()).fingerprint
    with pytest.raises(DataError, match="Item 0 of the dataset `train` differs from one reading to the next") as caught:
        opened(Augmented(torch.Generator()))
    assert "data_id" in caught.value.remedy
    assert opened(Augmented(torch.Generator()), identity="mine").fingerprint == "mine"


def test_a_large_dataset_is_not_read_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_datasets, "_MOST_READ", 100)
    with pytest.raises(DataError, match=r"have 0 GiB, and are not all read") as caught:
        opened()
    assert "data_id=" in caught.value.remedy
    assert opened(identity="mine").fingerprint == "mine"


def test_a_file_holds_no_datasets() -> None:
    with pytest.raises(DataError, match="in the memory of the Python program") as caught:
        Datasets.model_validate({"name": "datasets"}).open(NOWHERE)
    assert "emopms.prune" in caught.value.remedy
