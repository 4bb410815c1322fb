from __future__ import annotations

import gzip
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from emopms.api import Folder, Source
from emopms.builtin.data.idx import Idx
from emopms.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

FILES = {
    "train-images-idx3-ubyte": (np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)),
    "train-labels-idx1-ubyte": np.array([0, 2, 1, 2, 0], dtype=np.uint8),
    "t10k-images-idx3-ubyte": np.arange(100, 124, dtype=np.uint8).reshape(2, 4, 3),
    "t10k-labels-idx1-ubyte": np.array([1, 2], dtype=np.uint8),
}


def idx(values: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write(root: Path, end: str = "", /, **changed: Any) -> None:
    """Write the four files; ``changed`` replaces those whose names start so."""
    for name, values in FILES.items():
        key = "_".join(name.split("-")[:2])
        content = changed.get(key, values)
        content = content if isinstance(content, bytes) else idx(content)
        (root / f"{name}{end}").write_bytes(gzip.compress(content) if end else content)


def opened(root: Path) -> Source:
    return Idx(root=".").open(Folder(root, "the test's folder"))


@pytest.mark.parametrize("end", ["", ".gz"])
def test_reads_plain_and_gzipped_files(tmp_path: Path, end: str) -> None:
    write(tmp_path, end)
    source = opened(tmp_path)
    assert source.shape == (1, 4, 3)
    assert source.classes == ("0", "1", "2")
    train, test = source.train(), source.test()
    np.testing.assert_array_equal(train.pixels[:, 0], FILES["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(test.pixels[:, 0], FILES["t10k-images-idx3-ubyte"])
    np.testing.assert_array_equal(train.labels, [0, 2, 1, 2, 0])
    assert train.labels.dtype == np.int64
    assert train.pixels.dtype == np.uint8
    assert train.pixels.flags.writeable


def test_reads_names_with_a_dot(tmp_path: Path) -> None:
    write(tmp_path)
    for file in list(tmp_path.iterdir()):
        file.rename(file.with_name(file.name.replace("-idx", ".idx")))
    assert len(opened(tmp_path).train()) == 5


def test_open_and_train_read_no_test_pixels(tmp_path: Path) -> None:
    write(tmp_path, ".gz")
    source = opened(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
    assert len(source.train()) == 5
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz cannot be read"):
        source.test()


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    write(tmp_path)
    first = opened(tmp_path).fingerprint
    assert opened(tmp_path).fingerprint == first
    prints = {first}
    for name, values in FILES.items():
        write(tmp_path, **{"_".join(name.split("-")[:2]): np.roll(values, 1)})
        prints.add(opened(tmp_path).fingerprint)
    assert len(prints) == 5


def test_missing_folder_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No folder of idx files at .*the test's folder"):
        Idx(root="nothing").open(Folder(tmp_path, "the test's folder"))
    write(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"no file t10k-labels-idx1-ubyte \(nor t10k-labels-idx1-ubyte.gz\)"):
        opened(tmp_path)


IMAGES = FILES["train-images-idx3-ubyte"]


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no idx file of bytes with 3 dimensions: it starts with nothing"),
        (b"\0\0\x0d\x03" + idx(IMAGES)[4:], "no idx file of bytes with 3 dimensions: it starts with 00 00 0d 03"),
        (idx(IMAGES.ravel()), "no idx file of bytes with 3 dimensions: it starts with 00 00 08 01"),
        (idx(IMAGES)[:10], "no idx file of bytes with 3 dimensions"),
        (idx(IMAGES)[:-1], "should be 76 bytes long for its sizes 5x4x3, but is 75"),
        (idx(IMAGES) + b"\0", "should be 76 bytes long for its sizes 5x4x3, but is 77"),
        (idx(IMAGES[:0]), "holds nothing: its sizes are 0x4x3"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "claims to hold 4294967295x4294967295x4294967295 bytes"),
    ],
)
def test_bad_image_files_are_refused(tmp_path: Path, end: str, content: bytes, message: str) -> None:
    write(tmp_path, end, train_images=content)
    with pytest.raises(DataError, match=f"train-images-idx3-ubyte{end} .*{message}") as caught:
        opened(tmp_path)
    assert caught.value.remedy == "Download the file again."


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: b"junk" + content])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    write(tmp_path, ".gz")
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz"):
        opened(tmp_path)


def test_a_wrong_checksum_and_a_file_that_changes_are_noticed(tmp_path: Path) -> None:
    write(tmp_path, ".gz")
    file = tmp_path / "train-images-idx3-ubyte.gz"
    content = file.read_bytes()
    file.write_bytes(content[:-8] + b"junk" + content[-4:])
    source = opened(tmp_path)
    with pytest.raises(DataError, match="cannot be read: CRC check failed"):
        source.train()
    file.write_bytes(gzip.compress(idx(IMAGES[:3])))
    with pytest.raises(DataError, match="does not hold the 76 bytes that it should"):
        source.train()


def test_a_gzip_file_that_overstates_its_length_is_refused_before_allocating(tmp_path: Path) -> None:
    sizes = struct.pack(">3I", 65535, 255, 255)
    claimed = 16 + 65535 * 255 * 255
    packed = gzip.compress(b"\0\0\x08\x03" + sizes)[:-4] + struct.pack("<I", claimed)
    write(tmp_path, ".gz")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(packed)
    with pytest.raises(DataError, match=f"should be {claimed} bytes long"):
        opened(tmp_path)


@pytest.mark.parametrize(("part", "end"), [("train-images-idx3-ubyte", ""), ("train-labels-idx1-ubyte", ".gz")])
def test_values_larger_than_the_memory(tmp_path: Path, part: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gzip file may hold a thousand times its size. Labels are unpacked when the data are opened."""
    write(tmp_path, end)
    source = opened(tmp_path)
    monkeypatch.setattr("emopms.network.available_memory", lambda: 60)
    with pytest.raises(DataError, match=f"{part}{end}: what it holds would take"):
        source.train() if "images" in part else opened(tmp_path)


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        ("train_labels", np.zeros(4, np.uint8), "holds 4 labels for the 5 images of .*train-images-idx3-ubyte"),
        ("t10k_labels", np.array([0, 3], np.uint8), "A test label is 3, but training labels end at 2"),
        ("t10k_images", np.zeros((2, 4, 4), np.uint8), "Training images have 4x3 pixels, .* have 4x4"),
    ],
)
def test_files_that_do_not_fit_each_other(tmp_path: Path, part: str, values: NDArray[np.uint8], message: str) -> None:
    write(tmp_path, **{part: values})
    with pytest.raises(DataError, match=message) as caught:
        opened(tmp_path)
    assert "one data set" in caught.value.remedy
