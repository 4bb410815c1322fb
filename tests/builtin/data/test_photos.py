from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError

from emopms.api import Folder, Source
from emopms.builtin.data.photos import Photos
from emopms.errors import DataError
from tests.builtin.data.pictures import both, picture, write

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "0.png": picture(0),
    "a/1.png": picture(1),
    "a/b/2.PNG": picture(2, mode="L"),
    "a/b/c/3.jpeg": picture(3, kind="JPEG", size=(30, 40)),
    "d/4.png": picture(4, size=(4, 9)),
    "d/5.png": picture(5),
    "d/10.png": picture(10),
    "d/notes.txt": b"not an image",
    "d/.hidden.png": picture(99),
    ".thumbnails/6.png": picture(99),
}


def opened(root: Path, **parameters: Any) -> Source:
    settings = {"size": 4, "classes": 5, "test": 2 / 7} | parameters
    return Photos(root=root.name, **settings).open(Folder(root.parent, "the test's folder"))


def reds(source: Source) -> tuple[list[int], list[int]]:
    """The red of every image: which one it is."""
    train, test = (images.pixels[:, 0, 0, 0].tolist() for images in (source.train(), source.test()))
    return train, test


@both
def test_images_are_found_in_any_folder_and_read_in_natural_order(tmp_path: Path, packed: bool) -> None:
    source = opened(write(tmp_path, FILES, packed=packed))
    train, test = reds(source)
    assert sorted(train + test) == [0, 1, 2, 3, 4, 5, 10]
    assert (train, test) == (sorted(train), sorted(test))
    assert (source.train_size, source.test_size) == (len(train), len(test)) == (5, 2)
    assert source.shape == (3, 4, 4)
    assert source.classes == ("0", "1", "2", "3", "4")


@both
def test_nothing_is_said_about_what_is_in_the_images(tmp_path: Path, packed: bool) -> None:
    source = opened(write(tmp_path, FILES, packed=packed))
    assert not source.labelled
    for images in (source.train(), source.test()):
        assert images.labels.dtype == np.int64
        assert (images.labels == -1).all()


def test_a_folder_and_a_zip_file_of_it_hold_out_the_same_images(tmp_path: Path) -> None:
    folder, archive = (opened(write(tmp_path, FILES, packed=packed)) for packed in (False, True))
    assert reds(folder) == reds(archive) == reds(opened(tmp_path / "images"))


def test_the_images_held_out_are_drawn_over_all_of_them(tmp_path: Path) -> None:
    root = write(tmp_path, {f"{n}.png": picture(n) for n in range(60)}, packed=True)
    _, test = reds(opened(root, test=0.5))
    assert 5 < sum(n < 30 for n in test) < 25


def test_a_link_that_leads_back_up_is_not_followed(tmp_path: Path) -> None:
    root = write(tmp_path, FILES, packed=False)
    (root / "a" / "up").symlink_to(root)
    assert opened(root).train_size == 5


@both
def test_the_fingerprint_follows_the_images_and_the_share_held_out(tmp_path: Path, packed: bool) -> None:
    first = opened(write(tmp_path, FILES, packed=packed))
    assert first.fingerprint != opened(tmp_path / first_name(packed), test=3 / 7).fingerprint
    more = opened(write(tmp_path, {**FILES, "e/11.png": picture(11)}, packed=packed))
    assert first.fingerprint != more.fingerprint


def first_name(packed: bool) -> str:
    return "images.zip" if packed else "images"


@both
@pytest.mark.parametrize(
    ("files", "test", "said"),
    [
        ({"notes.txt": b"nothing"}, 0.2, "holds 0 images"),
        ({"1.png": picture(1), "2.png": picture(2)}, 0.2, r"holds 2 images .*, 0 of them for the test"),
        ({"1.png": picture(1), "2.png": picture(2)}, 0.9, r"holds 2 images .*, 2 of them for the test"),
    ],
)
def test_too_few_images_are_refused(tmp_path: Path, packed: bool, files: Any, test: float, said: str) -> None:
    with pytest.raises(DataError, match=said):
        opened(write(tmp_path, files, packed=packed), test=test)


@both
def test_a_damaged_image_is_named(tmp_path: Path, packed: bool) -> None:
    source = opened(write(tmp_path, {**FILES, "a/1.png": b"broken", "d/4.png": b"broken"}, packed=packed))
    with pytest.raises(DataError, match=r"(a/1|d/4)\.png in .* cannot be read as a JPEG or PNG image"):
        _ = (source.train(), source.test())


@pytest.mark.parametrize(
    "wrong",
    [{"size": None}, {"size": 0}, {"size": [1]}, {"classes": 1}, {"test": 0}, {"test": 1.0}, {"train": "train"}],
)
def test_bad_values_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Photos.model_validate({"root": "photos", "size": 4, "classes": 5} | wrong)


@pytest.mark.parametrize("missing", ["root", "size", "classes"])
def test_what_nobody_can_guess_must_be_given(missing: str) -> None:
    values: dict[str, object] = {"root": "photos", "size": 4, "classes": 5}
    del values[missing]
    with pytest.raises(ValidationError, match=missing):
        Photos.model_validate(values)
