"""`emopms.prune`: a network and datasets that a Python program holds."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import emopms
from emopms.builtin.data.digits import Digits
from emopms.errors import DataError, NetworkError, SpecError, StoreError, WeightsError

if TYPE_CHECKING:
    from pathlib import Path


class Digit(Dataset[tuple[Tensor, int]]):
    """Some of the 8x8 digits, some of them shifted at random."""

    classes = tuple("0123456789")

    def __init__(self, part: str, *, shifted: bool = False) -> None:
        images = getattr(Digits().open(None), part)()  # type: ignore[arg-type]
        self._images, self._labels, self._shifted = torch.from_numpy(images.pixels) / 255, images.labels, shifted

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        shift = int(torch.randint(-1, 2, ())) if self._shifted else 0
        return self._images[index].roll(shift, 2), int(self._labels[index])


class Net(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.body = nn.Sequential(
            *(nn.Conv2d(width, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
        )
        self.head = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.body(self.stem(images)).mean(dim=(2, 3)))
        return scores


QUICK: dict[str, Any] = {
    "targets": [{"macs": 0.6}],
    "algorithm": {"name": "nsga2", "pop_size": 8, "generations": 2},
    "schemes": 8,
    "refine": 1,
    "aim": 0,
    "finetune": {"epochs": 1, "lr": 0.05},
    "device": "cpu",
}


@pytest.fixture(scope="module")
def trained() -> Net:
    torch.manual_seed(0)
    network, data = Net(), Digit("train")
    images, labels = torch.stack([data[i][0] for i in range(len(data))]), torch.tensor(data._labels)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(25):
        for rows in torch.split(torch.randperm(len(data)), 128):
            loss = nn.functional.cross_entropy(network(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network


@pytest.fixture(scope="module")
def pruned(trained: Net, tmp_path_factory: pytest.TempPathFactory) -> emopms.Result:
    folder = tmp_path_factory.mktemp("prune") / "run"
    return emopms.prune(trained, train=Digit("train", shifted=True), test=Digit("test"), run_dir=folder, **QUICK)


def accuracy(network: nn.Module, data: Digit) -> float:
    with torch.no_grad():
        scores = network.eval()(torch.stack([data[i][0] for i in range(len(data))]))
    return float((scores.argmax(dim=1) == torch.tensor(data._labels)).float().mean())


@pytest.mark.slow
def test_the_pruned_network_is_smaller_and_its_figures_hold(trained: Net, pruned: emopms.Result) -> None:
    (model,) = pruned.summary["models"]
    network = pruned.models["macs-0.6"]
    assert 0.4 <= model["macs_cut"] <= 0.6
    assert accuracy(network, Digit("test")) == pytest.approx(model["accuracy"], abs=1e-6)
    assert model["accuracy"] > 0.7
    assert sum(p.numel() for p in network.parameters()) == model["params"]
    dense = pruned.summary["dense"]
    assert accuracy(trained, Digit("test")) == pytest.approx(dense["accuracy"], abs=1e-6), "taken as it is"
    assert dense["params"] == sum(p.numel() for p in trained.parameters()), "and not changed"


@pytest.mark.slow
def test_a_damaged_model_is_refused(pruned: emopms.Result, tmp_path: Path) -> None:
    folder = shutil.copytree(pruned.folder, tmp_path / "run")
    weights = folder / "models/macs-0.6/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match="is not the file that was exported"):
        _ = emopms.Result(folder).models["macs-0.6"]


@pytest.mark.slow
def test_it_trains_on_in_plain_torch(pruned: emopms.Result) -> None:
    network, data = pruned.models["macs-0.6"].train(), Digit("train")
    loader = torch.utils.data.DataLoader(data, 256, shuffle=True)
    optimizer = torch.optim.SGD(network.parameters(), 0.05)
    before = accuracy(network, data)
    for _ in range(5):
        for images, labels in loader:
            loss = nn.functional.cross_entropy(network.train()(images), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    assert accuracy(network, data) > before


@pytest.mark.slow
def test_the_same_call_comes_from_the_store_and_workers_change_nothing(trained: Net, pruned: emopms.Result) -> None:
    weights = (pruned.folder / "models/macs-0.6/model.safetensors").read_bytes()
    given: Any = {"train": Digit("train", shifted=True), "test": Digit("test"), **QUICK}
    again = emopms.prune(trained, run_dir=pruned.folder, **given)
    assert all(stage["cached"] for stage in again.summary["stages"])
    other = emopms.prune(trained, run_dir=pruned.folder.parent / "other", workers=1, **given)
    assert (other.folder / "models/macs-0.6/model.safetensors").read_bytes() == weights


@pytest.mark.slow
def test_another_network_or_image_is_another_run(trained: Net, pruned: emopms.Result) -> None:
    changed = Net()
    changed.load_state_dict(trained.state_dict())
    with torch.no_grad():
        changed.head.bias[0] += 0.01
    data = Digit("train", shifted=True)
    data._images[5, 0, 0, 0] = 0.5
    for network, train in ((changed, Digit("train", shifted=True)), (trained, data)):
        result = emopms.prune(network, train=train, test=Digit("test"), run_dir=pruned.folder.parent / "third", **QUICK)
        assert not any(stage["cached"] for stage in result.summary["stages"])


@pytest.mark.slow
def test_another_point_and_other_figures_of_the_same_run(pruned: emopms.Result) -> None:
    knee = pruned.front.knee
    assert pruned.evaluate(knee.scheme).macs == knee.costs["macs"]
    more = emopms.pick(pruned, target={"macs": 0.9}, device="cpu")
    assert set(more.models) == {"macs-0.6", "macs-0.9"}
    assert more.models["macs-0.9"](torch.zeros(1, 1, 8, 8)).shape == (1, 10)


@pytest.mark.slow
def test_what_a_file_cannot_hold_is_said(pruned: emopms.Result) -> None:
    manifest = json.loads((pruned.folder / "manifest.json").read_text())
    assert manifest["not_in_the_spec"].keys() == {"backbone", "data"}
    opened = emopms.Result(pruned.folder)
    assert opened.front.knee == pruned.front.knee
    with pytest.raises(DataError, match="in the memory of the Python program"):
        opened.evaluate(0)
    loaded = emopms.load(pruned.folder / "models/macs-0.6", network=Net())
    assert accuracy(loaded, Digit("test")) == pytest.approx(pruned.summary["models"][0]["accuracy"], abs=1e-6)


def quick(model: nn.Module, tmp_path: Path, **changed: Any) -> emopms.Result:
    return emopms.prune(
        model, **QUICK | {"train": Digit("train"), "test": Digit("test"), "run_dir": tmp_path / "run"} | changed
    )


def test_settings_are_those_of_a_spec(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="finetun") as caught:
        quick(Net(), tmp_path, finetun={"epochs": 1})
    assert "finetune" in str(caught.value)
    with pytest.raises(SpecError, match="calibration"):
        quick(Net(), tmp_path, data={"calibration": 1000})
    for wrong in ({"calibratoin": 64}, {"mean": 0.3}, {"std": [0]}):
        with pytest.raises(SpecError, match=rf"data\.{next(iter(wrong))}"):
            quick(Net(), tmp_path, data=wrong)
    with pytest.raises(ValueError, match="at least 0; got -1"):
        quick(Net(), tmp_path, workers=-1)
    with pytest.raises(SpecError, match="nowhere"):
        quick(Net(), tmp_path, split=["nowhere"])


class Wrong(nn.Module):
    def __init__(self, output: Any) -> None:
        super().__init__()
        self.layer, self._output = nn.Linear(64, 10), output

    def forward(self, images: Tensor) -> Any:
        return self._output(self.layer(images.flatten(1)))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (lambda scores: (scores, scores), r"gives an output tuple, not class scores \[2, classes\]"),
        (lambda scores: scores[:, :, None], r"of shape \[2, 10, 1\], not class scores"),
        (lambda scores: scores.view(7), r"cannot run on images \[2, 1, 8, 8\] of the dataset `train`: RuntimeError"),
    ],
)
def test_what_is_no_classifier_is_refused(tmp_path: Path, output: Any, said: str) -> None:
    network = Wrong(output).train()
    with pytest.raises(NetworkError, match=said):
        quick(network, tmp_path)
    assert network.training
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("items", [[], [7], [("cat.jpg", 1)]])
def test_a_dataset_without_images_is_refused(tmp_path: Path, items: Any) -> None:
    with pytest.raises(DataError, match="Item 0 of the dataset `train` cannot be used"):
        quick(Net(), tmp_path, train=items)


def test_only_a_module_can_be_pruned(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module as `model`"):
        quick(Net, tmp_path)  # type: ignore[arg-type]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run" / "store").mkdir(parents=True)
    (tmp_path / "run" / "store" / "mine").write_text("")
    with pytest.raises(StoreError, match="holds files that emopms did not write"):
        quick(Net(), tmp_path)
