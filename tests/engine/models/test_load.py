"""``emopms.load``: reads what a run wrote, refuses everything else by name."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import emopms
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.engine.models.allocation_limit import AllocationLimit
from emopms.errors import PluginError, WeightsError
from tests.memory import little_memory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(finished: emopms.Result, tmp_path: Path) -> Path:
    shutil.copytree(finished.folder / "models" / "macs-0.6", tmp_path / "model")
    return tmp_path / "model"


def test_it_is_ready_to_use(folder: Path) -> None:
    network = emopms.load(folder)
    assert not network.training
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


def _edit(folder: Path, **changes: object) -> None:
    path = folder / "architecture.json"
    description = json.loads(path.read_text()) | changes
    description.pop("checksum", None)  # as files of version 0.1, which have none
    path.write_text(json.dumps(description))


@pytest.mark.parametrize("name", ["architecture.json", "model.safetensors"])
def test_a_folder_without_a_model(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(WeightsError) as caught:
        emopms.load(folder)
    assert caught.value.message == f"{folder} does not hold a model: there is no file {name} in it."


@pytest.mark.parametrize("wrong", ["models/macs-0.7", "models/old/macs-0.6", "model/macs-0.6", "."])
def test_a_wrong_path_lists_the_models_that_are_near(wrong: str, tmp_path: Path) -> None:
    for name in ("macs-0.6", "macs-0.4"):
        (tmp_path / "run" / "models" / name).mkdir(parents=True)
        (tmp_path / "run" / "models" / name / "architecture.json").write_text("{}")
    with pytest.raises(WeightsError) as caught:
        emopms.load(tmp_path / "run" / wrong)
    assert caught.value.message.startswith("There is no folder " if wrong != "." else f"{tmp_path / 'run'} does not")
    assert caught.value.remedy.endswith(f" Models in {tmp_path / 'run' / 'models'}: macs-0.4, macs-0.6.")


@pytest.mark.parametrize(
    "changes", [{"format": 2}, {"input": {}}, {"backbone": {"name": "small_resnet", "widths": "wide"}}, {"classes": 3}]
)
def test_a_description_that_makes_no_sense(folder: Path, changes: dict[str, object]) -> None:
    _edit(folder, **changes)
    with pytest.raises(WeightsError):
        emopms.load(folder)


SMALL = {"name": "small_resnet", "widths": [8, 16, 16]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backbone": SMALL | {"widths": [65_536] * 8}}, "asks for a dense network of more than 256 MiB"),
        ({"backbone": {"name": "resnet_cifar", "depth": 20, "width": 60_000}}, "asks for a dense network of more"),
        ({"backbone": {"name": "resnet", "depth": 50}, "classes": [""] * 900_000}, "asks for a dense network of more"),
        ({"input": {"shape": [3, 10**9, 10**9]}}, "input.shape.1: Input should be less than or equal to 65536"),
        ({"input": {"shape": [0, 8, 8]}}, "input.shape.0: Input should be greater"),
        ({"input": {"shape": [1.5, 8, 8]}}, "input.shape.0: Input should be a valid integer"),
        ({"input": {"shape": [float("nan"), 8, 8]}}, "input.shape.0: Input should be a valid integer"),
        ({"input": {"shape": "188"}}, "input.shape: Input should be a valid list"),
        ({"input": {"shape": [1, 8]}}, "input.shape: List should have at least 3 items"),
        ({"input": []}, "input: Input should be"),
        ({"classes": "0123456789"}, "classes: Input should be a valid list"),
        ({"classes": list(range(1_000_000))}, "larger than 4 MiB"),
        ({"classes": [0] * 1_000_000}, "classes.0: Input should be a valid string"),
        ({"classes": []}, "classes: List should have at least 1 item"),
        ({"backbone": "small_resnet"}, "backbone: Input should be"),
        ({"backbone": {"name": ["small_resnet"]}}, "backbone.name: Input should be a valid string"),
        ({"backbone": {"name": "x" * 10**6}}, "backbone.name: String should have at most 100 characters"),
        ({"backbone": SMALL | {"blocks": float("nan")}}, "not JSON compliant"),
        ({"backbone": SMALL | {"blocks": float("inf")}}, "not JSON compliant"),
        ({"format": "x" * 10**6}, "is a model of format 'xxxxxxxxxxxxxxxxxxxx'"),
    ],
)
def test_a_description_that_asks_for_too_much_or_for_nonsense(
    folder: Path, changes: dict[str, object], said: str
) -> None:
    _edit(folder, **changes)
    with little_memory(), pytest.raises(WeightsError) as caught:
        emopms.load(folder)
    assert said in caught.value.message
    assert str(folder) in caught.value.message
    assert len(caught.value.message) < 2000
    assert caught.value.remedy


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b"[" * 10**6,
        b'{"a":' * 10**6,
        b"9" * 10**6,
        b"\xff\xfe",
        b'{"format": 1}',
        b" " * 2**23,
        b'{"format": 1, "backbone": ' + b"[" * 10**5 + b"]" * 10**5 + b"}",
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_description_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "architecture.json").write_bytes(content)
    with little_memory(), pytest.raises(WeightsError, match="does not hold a model") as caught:
        emopms.load(folder)
    assert len(caught.value.message) < 2000


@pytest.mark.parametrize("name", ["architecture.json", "model.safetensors"])
def test_what_might_never_end(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(WeightsError, match=f"{name} is no file"):
        emopms.load(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(WeightsError, match=f"{name} is no file"):
        emopms.load(folder)


def test_links_to_files(folder: Path, tmp_path: Path) -> None:
    """As caches of downloads keep them."""
    for name in ("architecture.json", "model.safetensors"):
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
    emopms.load(folder)


@pytest.mark.parametrize("length", [2**60, 2**64 - 1])
def test_a_header_that_claims_too_much(folder: Path, length: int) -> None:
    _edit(folder, sha256={})
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", length) + b"{" + bytes(100))
    with little_memory(), pytest.raises(WeightsError, match="header too large"):
        emopms.load(folder)


def test_a_network_that_does_not_fit_into_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emopms.engine.models.load.available_memory", lambda: 2**10)
    with pytest.raises(WeightsError, match="asks for a dense network of more than 0 MiB"):
        emopms.load(folder)


def test_a_network_of_ones_own_may_have_any_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emopms.engine.models.load.available_memory", lambda: 2**10)
    dense = SmallResNet(widths=(8, 16, 16)).build(input_shape=(1, 8, 8), classes=10)
    emopms.load(folder, network=dense)


def test_a_backbone_that_is_not_installed(folder: Path) -> None:
    _edit(folder, backbone={"name": "hypernet"})
    with pytest.raises(PluginError, match="needs the backbone 'hypernet'"):
        emopms.load(folder)


def test_weights_of_another_network(folder: Path) -> None:
    _edit(folder, backbone={"name": "small_resnet", "widths": [2, 2, 2]})
    with pytest.raises(WeightsError, match="does not fit"):
        emopms.load(folder)


def test_truncated_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="is not the file that was exported"):
        emopms.load(folder)
    _edit(folder, sha256={})  # as version 0.1 wrote it
    with pytest.raises(WeightsError, match="does not hold a model"):
        emopms.load(folder)


def test_a_pickle_is_not_opened(folder: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(WeightsError):
        emopms.load(folder)


# -- damage, and work without end --------------------------------------------------------------------------


def _record_checksum(folder: Path) -> None:
    """Write into the description which weights belong to it, as the exporter does."""
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    _edit(folder, sha256={"model.safetensors": found})


def test_a_folder_without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="does not hold a model"):
        emopms.load(folder)


def test_a_flipped_bit(folder: Path) -> None:
    _record_checksum(folder)
    emopms.load(folder)
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="is not the file that was exported") as caught:
        emopms.load(folder)
    assert "Copy or download the model again" in caught.value.remedy


def test_models_from_before_checksums_were_written(folder: Path) -> None:
    description = json.loads((folder / "architecture.json").read_text())
    for name in ("sha256", "checksum"):
        del description[name]
    (folder / "architecture.json").write_text(json.dumps(description))
    emopms.load(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(folder: Path, value: float) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    state["stem.0.weight"][0] = value
    save_file(state, path)
    _record_checksum(folder)
    with pytest.raises(WeightsError, match=r"not finite, first in 'stem\.0\.weight'"):
        emopms.load(folder)


def test_weights_of_eight_bits(folder: Path) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    state["stem.0.weight"] = state["stem.0.weight"].to(torch.float8_e4m3fn)
    save_file(state, path)
    _record_checksum(folder)
    with pytest.raises(WeightsError, match=r"'stem\.0\.weight' holds numbers of the kind float8_e4m3fn"):
        emopms.load(folder)


def test_weights_larger_than_the_memory(folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(2**40)
    with little_memory(), pytest.raises(WeightsError, match=r"is 1,024\.0 GiB large"):
        emopms.load(folder)


@pytest.mark.parametrize("backbone", [{"blocks": 1000, "widths": [1] * 8}, {"blocks": 800, "widths": [8, 16, 16]}])
def test_a_small_description_of_very_much_work(folder: Path, backbone: dict[str, object]) -> None:
    _edit(folder, backbone={"name": "small_resnet", **backbone})
    began = time.process_time()
    with pytest.raises(WeightsError, match=r"asks for a dense network of more than .* layers and tensors"):
        emopms.load(folder)
    assert time.process_time() - began < 5, "seconds of all cores"


def test_what_other_threads_build_meanwhile_is_not_counted() -> None:
    refusal = WeightsError("too many")
    with AllocationLimit(2**20, refusal, most_parts=3):
        thread = threading.Thread(target=lambda: nn.Sequential(*[nn.ReLU() for _ in range(50)]))
        thread.start()
        thread.join()
        nn.Sequential(nn.ReLU(), nn.ReLU(), nn.ReLU())
        with pytest.raises(WeightsError, match="too many"):
            nn.Sequential(nn.ReLU())
    nn.Sequential(*[nn.ReLU() for _ in range(50)])


def test_the_key_of_the_weights_that_the_network_started_from_says_nothing_about_the_model(folder: Path) -> None:
    settings = json.loads((folder / "architecture.json").read_text())["backbone"]
    _edit(folder, backbone={**settings, "weights_key": "state_dict_ema"})
    emopms.load(folder)


def test_a_network_of_ones_own_may_still_be_wrapped(folder: Path) -> None:
    dense = SmallResNet(widths=(8, 16, 16)).build(input_shape=(1, 8, 8), classes=10)
    images = torch.randn(2, 1, 8, 8)
    expected = emopms.load(folder)(images)
    loaded = emopms.load(folder, network=nn.DataParallel(dense))
    assert loaded is dense
    assert torch.equal(loaded(images), expected)


@pytest.mark.parametrize("change", [{"classes": ["a"] * 10}, {"macs": 1}, {"input": {"shape": [1, 8, 9]}}])
def test_a_changed_description(folder: Path, change: dict[str, object]) -> None:
    path = folder / "architecture.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(WeightsError, match=r"architecture\.json was changed"):
        emopms.load(folder)


@pytest.mark.parametrize("given", [3, nn.Linear, "model.py"])
def test_what_is_no_network_is_named(folder: Path, given: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module as `network`, got .*call it: network=make\(\)"):
        emopms.load(folder, network=given)
