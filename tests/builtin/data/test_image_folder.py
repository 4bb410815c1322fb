from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import ImageFile
from pydantic import ValidationError

from emopms.builtin.data.image_folder import ImageFolder
from emopms.errors import DataError
from tests.builtin.data.pictures import both, layout, opened, picture, write

if TYPE_CHECKING:
    from pathlib import Path


@both
def test_reads_images_in_natural_order(tmp_path: Path, packed: bool) -> None:
    source = opened(write(tmp_path, layout(), packed=packed))
    assert source.shape == (3, 6, 4)
    assert source.classes == ("2", "10")
    assert (source.train_size, source.test_size) == (3, 2)
    train, test = source.train(), source.test()
    assert train.pixels.shape == (3, 3, 6, 4)
    assert train.pixels.dtype == np.uint8
    assert train.labels.dtype == np.int64
    np.testing.assert_array_equal(train.labels, [0, 1, 1])
    np.testing.assert_array_equal(train.pixels[:, 0, 0, 0], [3, 1, 2])
    np.testing.assert_array_equal(train.pixels[:, 2, 5, 3], [3, 255, 255])
    np.testing.assert_array_equal(test.labels, [0, 1])


@both
def test_open_decodes_nothing(tmp_path: Path, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, layout(), packed=packed)

    def fail(self: object) -> None:
        raise AssertionError("an image was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    opened(root)


@both
def test_train_and_test_read_only_their_own_images(tmp_path: Path, packed: bool) -> None:
    broken_test = opened(write(tmp_path, layout(**{"test/10/c.png": b"broken"}), packed=packed))
    assert len(broken_test.train()) == 3
    with pytest.raises(DataError, match=r"test/10/c\.png in .* cannot be read as a JPEG or PNG image"):
        broken_test.test()


@both
def test_layout_errors(tmp_path: Path, packed: bool) -> None:
    root = write(tmp_path, layout(**{"test/1/e.png": picture(1)}), packed=packed)
    with pytest.raises(DataError, match=r"The class '1' in 'test' of .* has no training images in 'train'"):
        opened(root)
    with pytest.raises(DataError, match=r"no images tran/<class>/\*\.jpg") as caught:
        opened(root, train="tran")
    assert "Did you mean 'train'?" in caught.value.remedy


def test_class_folders_in_the_order_of_text(tmp_path: Path) -> None:
    root = write(tmp_path, layout(), packed=True)
    natural, text = opened(root), opened(root, order="text")
    assert (natural.classes, text.classes) == (("2", "10"), ("10", "2"))
    np.testing.assert_array_equal(natural.train().labels, 1 - text.train().labels)
    assert "`order: text`" in natural.doubt
    assert "`order: natural`" in text.doubt


def test_there_is_no_doubt_about_the_order_of_names_that_both_sort_alike(tmp_path: Path) -> None:
    assert not opened(
        write(tmp_path, {f"{p}/{c}/1.png": picture(1) for p in ("train", "test") for c in "ab"}, packed=True)
    ).doubt


def test_class_folders_in_any_other_order(tmp_path: Path) -> None:
    files = {f"{part}/{label}/1.png": picture(1) for part in ("train", "test") for label in ("ant", "1 bee", "10", "2")}
    root = write(tmp_path, files, packed=True)
    order = ("10", "ant", "2", "1 bee")
    source = opened(root, order=order)
    assert source.classes == order
    assert not source.doubt
    assert opened(root).reordered(order) == (
        'Set `order: ["10", "ant", "2", "1 bee"]` under `data:` if that is how the weights number the classes.'
    )
    assert "`order: text`" in source.reordered(sorted(order))
    assert "`order: natural`" in source.reordered(opened(root).classes)
    many = ["b", "a", *(str(number) for number in range(300))]
    assert "begin with b, a, 0, 1, 2." in source.reordered(many)


@pytest.mark.parametrize(
    ("order", "said", "remedy"),
    [
        (("10", "ant", "2", "bee"), "there is no 'bee'", ""),
        (("10", "ant", "2"), "'1 bee' is missing", "each class folder once"),
        (("10", "ant", "2", "2", "1 bee"), "a class is listed twice", "each class folder once"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(tmp_path: Path, order: tuple[str, ...], said: str, remedy: str) -> None:
    files = {f"{part}/{label}/1.png": picture(1) for part in ("train", "test") for label in ("ant", "1 bee", "10", "2")}
    with pytest.raises(DataError, match=said) as caught:
        opened(write(tmp_path, files, packed=True), order=order)
    assert remedy in caught.value.remedy


VALIDATION = {"val/2/1.png": picture(20), "val/10/2.png": picture(21), "val/10/1.png": picture(22)}


@both
def test_validation_images_in_a_folder_of_their_own(tmp_path: Path, packed: bool) -> None:
    root = write(tmp_path, layout(**VALIDATION), packed=packed)
    without, source = opened(root), opened(root, validation_folder="val")
    assert (without.validation_size, source.validation_size) == (0, 3)
    assert without.fingerprint != source.fingerprint
    assert source.train_size == without.train_size == 3
    found = source.validation()
    np.testing.assert_array_equal(found.pixels[:, 0, 0, 0], [20, 22, 21])
    np.testing.assert_array_equal(found.labels, [0, 1, 1])


@both
def test_a_validation_folder_that_does_not_fit_is_refused(tmp_path: Path, packed: bool) -> None:
    root = write(tmp_path, layout(**{"val/3/1.png": picture(20)}), packed=packed)
    with pytest.raises(DataError, match=r"The class '3' in 'val' of .* has no training images"):
        opened(root, validation_folder="val")
    with pytest.raises(DataError, match="no images dev/<class>"):
        opened(root, validation_folder="dev")


def test_settings_that_came_later_are_written_only_where_they_are_used() -> None:
    """What earlier versions stored goes by the settings as they wrote them."""
    earlier = {"name", "calibration", "validation", "mean", "std", "augment", "root", "train", "test", "size"}
    assert set(ImageFolder(root="images").model_dump()) == earlier
    assert set(ImageFolder(root="images", order="text").model_dump(mode="json")) == {*earlier, "order"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"train": "../other"}, "expected a folder inside `root`"),
        ({"test": "/etc"}, "expected a folder inside `root`"),
        ({"train": "."}, "expected a folder inside `root`"),
        ({"test": "train/"}, "train and test are the same folder"),
        ({"validation_folder": "train"}, "validation_folder is the folder of the training or test images"),
        ({"validation_folder": "test/"}, "validation_folder is the folder of the training or test images"),
        ({"channels": 1}, "write one value for `mean` and `std`"),
        ({"background": "pink"}, "Input should be 'white', 'black' or 'grey'"),
        ({"size": 0}, "greater than or equal to 1"),
        ({"size": [8]}, "Field required"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ImageFolder.model_validate({"root": "images", **parameters})


@both
def test_files_that_fill_the_memory_are_decoded_one_by_one(
    tmp_path: Path, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(write(tmp_path, layout(), packed=packed))
    assert source.one_by_one("train") is None
    monkeypatch.setattr("emopms.network.available_memory", lambda: 2 * 3 * 3 * 6 * 4 - 1)
    items, images = source.one_by_one("train"), source.train()
    assert items is not None
    assert source.one_by_one("test") is None, "two images are less than half of it"
    assert len(items) == len(images) == 3
    for number, (pixels, label) in enumerate(items[index] for index in range(3)):
        np.testing.assert_array_equal(pixels, images.pixels[number])
        assert label == images.labels[number]
    assert source.workers >= 1
