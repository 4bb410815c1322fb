from __future__ import annotations

import math
import os
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from loguru import logger
from pydantic import ValidationError

from emopms.api import Folder, Source
from emopms.builtin.data.arrays import Arrays
from emopms.errors import DataError
from tests.memory import little_memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def arrays(**changed: Any) -> dict[str, Any]:
    """Six training and three test images; a value of None removes an array."""
    random = np.random.RandomState(0)
    values = {
        "x_train": random.randint(0, 256, (6, 5, 4), dtype=np.uint8),
        "y_train": np.array([0, 1, 2, 2, 1, 0]),
        "x_test": random.randint(0, 256, (3, 5, 4), dtype=np.uint8),
        "y_test": np.array([2, 1, 0], dtype=np.int32),
        **changed,
    }
    return {name: value for name, value in values.items() if value is not None}


def opened(folder: Path, **parameters: Any) -> Source:
    return Arrays(file="images.npz", **parameters).open(Folder(folder, "the test's folder"))


def saved(folder: Path, **changed: Any) -> Source:
    np.savez(folder / "images.npz", **arrays(**changed))
    return opened(folder)


def test_grey_images_get_a_channel(tmp_path: Path) -> None:
    source = saved(tmp_path)
    assert source.shape == (1, 5, 4)
    assert source.classes == ("0", "1", "2")
    train, test = source.train(), source.test()
    np.testing.assert_array_equal(train.pixels[:, 0], arrays()["x_train"])
    np.testing.assert_array_equal(test.pixels[:, 0], arrays()["x_test"])
    np.testing.assert_array_equal(test.labels, [2, 1, 0])
    assert test.labels.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_colour_images_and_named_classes(tmp_path: Path, dtype: type[np.generic]) -> None:
    x_train = np.asfortranarray(np.ones((6, 3, 5, 4)).astype(dtype))
    x_test = x_train[:3]
    source = saved(tmp_path, x_train=x_train, x_test=x_test, classes=np.array(["cat", "dog", "eel", "fox"]))
    assert source.shape == (3, 5, 4)
    assert source.classes == ("cat", "dog", "eel", "fox")
    assert source.train().pixels.dtype == dtype
    assert source.train().pixels.flags.c_contiguous


def test_compressed_files_and_fingerprint(tmp_path: Path) -> None:
    first = saved(tmp_path).fingerprint
    np.savez_compressed(tmp_path / "images.npz", **arrays())
    assert opened(tmp_path).fingerprint == first
    assert saved(tmp_path, y_test=np.array([2, 1, 1], dtype=np.int32)).fingerprint != first
    assert saved(tmp_path, x_test=arrays()["x_test"][::-1]).fingerprint != first
    assert saved(tmp_path, unrelated=np.zeros(3)).fingerprint == first


def test_open_and_train_read_no_test_pixels(tmp_path: Path) -> None:
    x_test = np.random.RandomState(1).randint(0, 256, (3, 90, 90), dtype=np.uint8)
    saved(tmp_path, x_train=np.zeros((6, 90, 90), np.uint8), x_test=x_test)
    file = tmp_path / "images.npz"
    pixels = x_test.tobytes()
    content = file.read_bytes()
    file.write_bytes(content.replace(pixels, bytes(len(pixels))))  # the checksum no longer fits
    source = opened(tmp_path)
    assert len(source.train()) == 6
    with pytest.raises(DataError, match="x_test cannot be read: Bad CRC-32"):
        source.test()


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No npz file at .*images.npz \(the test's folder\)"):
        opened(tmp_path)
    saved(tmp_path)
    file = tmp_path / "images.npz"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"images\.npz: cannot be read as an npz file"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y_test": None}, "has no array y_test; it has: x_test, x_train, y_train"),
        ({"x_train": np.zeros((6, 5, 4))}, r"x_train is float64 \[6, 5, 4\]"),
        ({"x_train": np.zeros((6, 5, 4), np.float32)}, r"x_train is float32 \[6, 5, 4\]"),
        ({"x_test": np.zeros((0, 5, 4), np.uint8)}, r"x_test is uint8 \[0, 5, 4\]"),
        ({"x_test": np.zeros((3, 5, 5), np.uint8)}, r"x_train is uint8 \[6, 5, 4\], but x_test is uint8 \[3, 5, 5\]"),
        ({"x_test": np.zeros((3, 1, 5, 4), np.float32)}, r"but x_test is float32 \[3, 1, 5, 4\]"),
        ({"x_train": np.array([{}] * 6)}, "x_train.npy holds Python objects"),
        ({"y_train": np.zeros(6)}, r"y_train is float64 \[6\]"),
        ({"y_train": np.zeros((6, 1), int)}, r"y_train is int64 \[6, 1\]"),
        ({"y_train": np.zeros(5, int)}, "y_train holds 5 labels for the 6 images of x_train"),
        ({"y_train": np.array([0, 1, 2, 2, 1, -1])}, "y_train holds labels from -1 to 2"),
        ({"y_train": np.array([0, 1, 2, 2, 1, 10**9])}, "labels from 0 to 1000000000, but there can be 6 classes"),
        ({"y_test": np.array([0, 1, 3])}, "y_test holds labels from 0 to 3, but there can be 3 classes"),
        ({"classes": np.array(["cat", "dog"])}, "y_train holds labels from 0 to 2, but there can be 2 classes"),
        ({"classes": np.array(["cat", "dog", "cat"])}, "classes names one class twice"),
        ({"classes": np.arange(3)}, r"classes is int64 \[3\]"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"images.npz: .*{message}") as caught:
        saved(tmp_path, **changed)
    assert caught.value.remedy


def floats(*, size: int = 5, scale: float = 1.0, parts: tuple[str, ...] = ("train", "test")) -> dict[str, Any]:
    """Six training and three other images of floating-point pixels."""
    random = np.random.RandomState(0)
    counts = {"train": 6, "test": 3, "val": 4}
    return {f"x_{part}": scale * random.rand(counts[part], 1, size, 4).astype(np.float32) for part in parts}


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, part: str, value: float) -> None:
    changed = floats()
    changed[f"x_{part}"][2, 0, 0, 0] = value
    with pytest.raises(DataError, match=f"x_{part} holds values that are not finite"):
        saved(tmp_path, **changed)


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("scale", [255, -255])
def test_floating_point_pixels_of_another_scale_are_refused_before_anything_runs(
    tmp_path: Path, part: str, scale: float
) -> None:
    changed = floats()
    changed[f"x_{part}"] *= scale
    with pytest.raises(DataError, match=f"x_{part} holds values from .* lie in 0…1") as caught:
        saved(tmp_path, **changed)
    assert "x / 255" in caught.value.remedy


def test_another_scale_beyond_the_pixels_that_are_looked_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emopms.builtin.data._arrays._SAMPLE", 64)
    changed = floats()
    changed["x_train"][-1] *= 255
    source = saved(tmp_path, **changed)
    with pytest.raises(DataError, match="x_train holds values from"):
        source.train()


def test_pixels_that_were_standardised_are_read_and_that_is_said(tmp_path: Path, logged: list[str]) -> None:
    changed = floats(scale=2)
    changed["x_train"] -= 1
    source = saved(tmp_path, **changed)
    np.testing.assert_array_equal(source.train().pixels, changed["x_train"])
    said = [line for line in logged if "should lie in 0…1" in line]
    assert len(said) == 2, "once for each part"


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What is logged meanwhile."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level="INFO")
    yield lines
    logger.remove(sink)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_with_their_channels_last_are_refused_or_turned(tmp_path: Path, channels: int) -> None:
    random = np.random.RandomState(0)
    last = {f"x_{part}": random.randint(0, 256, (n, 6, 5, channels), np.uint8) for part, n in _COUNTS}
    with pytest.raises(DataError, match=rf"x_train is uint8 \[6, 6, 5, {channels}\]: as \[N, C, H, W\]") as caught:
        saved(tmp_path, **last)
    assert "layout: channels_last" in caught.value.remedy
    assert "x.transpose(0, 3, 1, 2)" in caught.value.remedy
    source = opened(tmp_path, layout="channels_last")
    assert source.shape == (channels, 6, 5)
    for images, part in ((source.train(), "train"), (source.test(), "test")):
        np.testing.assert_array_equal(images.pixels, last[f"x_{part}"].transpose(0, 3, 1, 2))
        assert images.pixels.flags.c_contiguous
    as_given = opened(tmp_path, layout="channels_first")
    assert as_given.shape == (6, 5, channels)
    np.testing.assert_array_equal(as_given.train().pixels, last["x_train"])


_COUNTS = (("train", 6), ("test", 3))


@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 1, 64), (1, 64, 1), (3, 4, 3), (2, 8, 8), (8, 8, 8), (4, 1, 1)])
def test_images_with_their_channels_first_are_read_as_they_are(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = np.zeros((6, *shape), np.uint8)
    assert saved(tmp_path, x_train=pixels, x_test=pixels[:3]).shape == shape


def test_grey_images_have_no_layout(tmp_path: Path) -> None:
    saved(tmp_path)
    np.testing.assert_array_equal(
        opened(tmp_path, layout="channels_last").train().pixels, opened(tmp_path).train().pixels
    )


def test_validation_images_of_their_own(tmp_path: Path) -> None:
    changed = floats(parts=("train", "test", "val"))
    assert saved(tmp_path, **changed, y_val=np.array([0, 1, 2, 2])).validation_size == 0
    source = opened(tmp_path, validation_arrays="val")
    assert (source.train_size, source.validation_size, source.test_size) == (6, 4, 3)
    np.testing.assert_array_equal(source.validation().pixels, changed["x_val"])
    np.testing.assert_array_equal(source.validation().labels, [0, 1, 2, 2])
    assert source.fingerprint != opened(tmp_path).fingerprint
    with pytest.raises(DataError, match="has no array x_dev"):
        opened(tmp_path, validation_arrays="dev")
    with pytest.raises(DataError, match="'test' cannot be validation images"):
        opened(tmp_path, validation_arrays="test")


@pytest.mark.parametrize(("name", "values"), [("mean", [123.675]), ("std", [58.4]), ("mean", [-123.0])])
def test_a_mean_of_pixels_up_to_255_is_refused(name: str, values: list[float]) -> None:
    with pytest.raises(ValidationError, match="Divide it by 255"):
        Arrays.model_validate({"file": "images.npz", name: values})


def test_settings_that_came_later_are_written_only_where_they_are_used() -> None:
    """What earlier versions stored goes by the settings as they wrote them."""
    assert set(Arrays(file="f").model_dump()) == {"name", "calibration", "validation", "mean", "std", "augment", "file"}
    assert Arrays(file="f", layout="channels_last").model_dump(mode="json")["layout"] == "channels_last"


def described(header: bytes, content: bytes = b"", *, version: int = 1) -> bytes:
    """An npy file with this header."""
    length = struct.pack("<H" if version == 1 else "<I", len(header) + 1)
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + b"\n" + content


def npy(shape: tuple[int, ...], kind: str = "|u1", content: bytes = b"") -> bytes:
    """An npy file that says it has this shape and type."""
    return described(f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode(), content)


def packed(folder: Path, members: dict[str, bytes], *, kind: int = zipfile.ZIP_DEFLATED) -> Path:
    """The usual arrays, some replaced by whatever bytes."""
    np.savez(folder / "images.npz", **arrays())
    with zipfile.ZipFile(folder / "images.npz") as archive:
        usual = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(folder / "images.npz", "w", kind) as archive:
        for name, content in (usual | members).items():
            archive.writestr(name, content)
    return folder / "images.npz"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (described(b" " * 2**27, version=2), "EOF: reading array header"),
        (described(b"(" * 9000), "EOF in multi-line"),
        (described(b"-" * 9000 + b"1"), ""),
        (described(b'{"a": """ '), "EOF in multi-line"),
        (described(b"__import__('os').mkdir('executed')"), "malformed node"),
        (npy((6, -5, -4), content=bytes(120)), r"cannot have the shape \[6, -5, -4\]"),
        (npy((10**12,), "<U0"), r"cannot have the shape \[1000000000000\] and the type <U0"),
        (npy((6, 10**9, 10**9)), "is not as long as its shape"),
    ],
    ids=["long", "deep", "signs", "text", "code", "negative", "nothing", "promise"],
)
@pytest.mark.parametrize("name", ["x_train", "classes"])
def test_headers_that_lie(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    packed(tmp_path, {f"{name}.npy": content})
    with little_memory(), pytest.raises(DataError, match=f"images.npz: cannot be read as an npz file: .*{message}"):
        opened(tmp_path)


@pytest.mark.parametrize("part", ["train", "test"])
def test_arrays_larger_than_the_memory(tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to a thousand times its size may be a whole array."""
    shape = {"train": (6, 900, 900), "test": (3, 900, 900)}
    packed(tmp_path, {f"x_{name}.npy": npy(size, content=bytes(math.prod(size))) for name, size in shape.items()})
    source = opened(tmp_path)
    monkeypatch.setattr("emopms.network.available_memory", lambda: 2**20)
    with little_memory(), pytest.raises(DataError, match=rf"images.npz: x_{part} would take 0\.0 GiB"):
        getattr(source, part)()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["x_train", "x_train.npy"])
def test_two_arrays_of_one_name(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(packed(tmp_path, {}), "a") as archive:
        archive.writestr(name, npy((6, 10**6, 10**6)))
    with pytest.raises(DataError, match="two arrays of one name"):
        opened(tmp_path)


def test_an_encrypted_member(tmp_path: Path) -> None:
    file = packed(tmp_path, {})
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted"):
        opened(tmp_path)


def test_damage_that_only_a_decoder_finds(tmp_path: Path) -> None:
    file = packed(tmp_path, {}, kind=zipfile.ZIP_LZMA)
    content = bytearray(file.read_bytes())
    start = content.index(b"x_train.npy") + 20
    content[start : start + 40] = b"\xff" * 40
    file.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as an npz file: Corrupt input data"):
        opened(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "images.npz")
    with pytest.raises(DataError, match=r"images\.npz: is no file"):
        opened(tmp_path)


def test_a_header_that_promises_too_much_is_refused_before_allocating(tmp_path: Path) -> None:
    saved(tmp_path)
    file = tmp_path / "images.npz"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["x_train.npy"] = members["x_train.npy"].replace(b"(6, 5, 4), }        ", b"(6, 54321, 54321), }")
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match=r"x_train.npy is not as long as its shape \[6, 54321, 54321\]"):
        opened(tmp_path)
