"""How image files become pixels: sizes, orientation, transparency, and images that swell."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from emopms.errors import DataError
from tests.builtin.data.pictures import ARROW, both, encoded, layout, opened, picture, stored_as, write
from tests.memory import little_memory

if TYPE_CHECKING:
    from pathlib import Path


def test_threads_keep_the_order(tmp_path: Path) -> None:
    noise = np.random.RandomState(0).randint(0, 256, (80, 40, 40, 3), dtype=np.uint8)
    files = {"test/noise/0.png": picture(0)}
    for index, pixels in enumerate(noise):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        files[f"train/noise/{index}.png"] = file.getvalue()
    train = opened(write(tmp_path, files, packed=True)).train()
    np.testing.assert_array_equal(train.pixels.transpose(0, 2, 3, 1), noise)


@pytest.mark.parametrize(("size", "shape"), [(8, (3, 8, 8)), ([2, 4], (3, 2, 4)), ((12, 2), (3, 12, 2))])
def test_size_scales_and_crops(tmp_path: Path, size: Any, shape: tuple[int, ...]) -> None:
    source = opened(write(tmp_path, layout(**{"train/2/b.png": picture(3, size=(9, 30))}), packed=True), size=size)
    assert source.shape == shape
    train = source.train()
    np.testing.assert_array_equal(train.pixels[:, 0].reshape(3, -1).max(axis=1), [3, 1, 2])


def test_size_crops_at_the_centre(tmp_path: Path) -> None:
    stripes = np.repeat(np.array([10, 20, 30], np.uint8), 4)[None, :, None].repeat(4, 0).repeat(3, 2)
    file = io.BytesIO()
    Image.fromarray(stripes).save(file, "PNG")
    source = opened(write(tmp_path, layout(**{"train/2/b.png": file.getvalue()}), packed=True), size=4)
    assert set(source.train().pixels[0].ravel().tolist()) == {20}


@both
def test_images_of_another_size_are_named(tmp_path: Path, packed: bool) -> None:
    files = layout(**{f"train/10/a{k}.png": picture(2, size=(5, 4)) for k in (3, 4)})
    with pytest.raises(DataError, match=r"train/10/a3\.png has 5x4 pixels, but train/2/b\.png has 6x4") as caught:
        opened(write(tmp_path, files, packed=packed)).train()
    assert "Set `size`" in caught.value.remedy


@pytest.mark.parametrize("cut", [1, 40, -30])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@both
def test_cut_off_images_are_named(tmp_path: Path, packed: bool, kind: str, cut: int) -> None:
    noise = Image.fromarray(np.random.RandomState(0).randint(0, 256, (6, 4, 3), dtype=np.uint8))
    file = io.BytesIO()
    noise.save(file, kind)
    files = layout(**{"train/10/a3.png": file.getvalue()[:cut]})
    with pytest.raises(DataError, match=r"train/10/a3\.png in .* cannot be read as a JPEG or PNG image"):
        opened(write(tmp_path, files, packed=packed)).train()


def test_images_with_deep_channels_are_refused(tmp_path: Path) -> None:
    files = layout(**{"train/2/b.png": picture(3000, mode="I;16")})
    with pytest.raises(DataError, match=r"train/2/b\.png has 16 or more bits a channel"):
        opened(write(tmp_path, files, packed=True)).train()


def blank(width: int, height: int) -> bytes:
    """The beginning of a PNG file of that size."""
    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [None, 4])
@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (2**31 - 1, 2**31 - 1), (10_001, 10_000)])
@both
def test_an_image_of_too_many_pixels_is_refused(
    tmp_path: Path, packed: bool, width: int, height: int, size: int | None
) -> None:
    files = {**layout(), "train/2/b.png": blank(width, height)}
    with (
        little_memory(),
        pytest.raises(DataError, match=r"train/2/b\.png .*(has 10,000x10,001 pixels|exceeds limit)"),
    ):
        opened(write(tmp_path, files, packed=packed), size=size).train()


@both
def test_images_that_do_not_fit_into_memory_are_refused(
    tmp_path: Path, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{part}/{n}/x.png": blank(9000, 9000) for part in ("train", "test") for n in range(9)}
    source = opened(write(tmp_path, files, packed=packed))
    monkeypatch.setattr("emopms.network.available_memory", lambda: 2**30)
    with (
        little_memory(),
        pytest.raises(DataError, match=r"9 images would take 2\.0 GiB of memory, and 1\.0"),
    ):
        source.train()


@both
@pytest.mark.parametrize("orientation", [*range(10)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_images_are_turned_upright(tmp_path: Path, packed: bool, orientation: int, kind: str) -> None:
    files = {name: stored_as(orientation, kind) for name in ("train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg")}
    source = opened(write(tmp_path, files, packed=packed))
    assert source.shape == (3, 4, 6)
    tolerance = 40 if kind == "JPEG" else 0
    difference = source.train().pixels.astype(int) - ARROW.transpose(2, 0, 1)
    assert np.abs(difference).max() <= tolerance


def test_images_that_lie_on_their_side_in_the_file_have_the_size_in_which_they_are_shown(tmp_path: Path) -> None:
    plain = encoded(Image.fromarray(ARROW))
    files = {"train/a/1.png": plain, "train/b/1.png": stored_as(6), "test/a/1.png": stored_as(8)}
    source = opened(write(tmp_path, files, packed=True))
    np.testing.assert_array_equal(source.train().pixels[0], source.train().pixels[1])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_data_are_passed_over(tmp_path: Path) -> None:
    files = layout(**{"train/2/b.png": encoded(Image.new("RGB", (4, 6)), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")})
    assert opened(write(tmp_path, files, packed=True)).train_size == 3


def icon(alpha: int, mode: str = "RGBA") -> bytes:
    """A black image of which the left half is opaque."""
    pixels = np.zeros((6, 4, 4), np.uint8)
    pixels[..., 3] = alpha
    pixels[:, :2, 3] = 255
    image = Image.fromarray(pixels)
    if mode == "P":
        image = image.convert("LA").getchannel("A").convert("P")
        return encoded(image, transparency=alpha)
    return encoded(image.convert(mode))


@both
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_images_are_refused_or_laid_on_a_background(tmp_path: Path, packed: bool, mode: str) -> None:
    root = write(tmp_path, layout(**{"train/2/b.png": icon(0, mode)}), packed=packed)
    with pytest.raises(DataError, match=r"train/2/b\.png in .* is transparent in places") as caught:
        opened(root).train()
    assert "background: white" in caught.value.remedy
    image = opened(root, background="white").train().pixels[0]
    np.testing.assert_array_equal(image[:, :, 2:], 255)
    assert (opened(root, background="black").train().pixels[0][:, :, 2:] == 0).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("background", [None, "white"])
def test_an_opaque_image_is_read_whatever_it_could_be(tmp_path: Path, mode: str, background: str | None) -> None:
    root = write(tmp_path, layout(**{"train/2/b.png": icon(255, mode)}), packed=True)
    assert not opened(root, background=background).train().pixels[0].any()


def test_grey_images(tmp_path: Path) -> None:
    ramp = np.arange(24, dtype=np.uint8).reshape(6, 4)
    files = layout(**{"train/2/b.png": encoded(Image.fromarray(ramp))})
    source = opened(write(tmp_path, files, packed=True), channels=1, mean=(0.5,), std=(0.5,))
    assert source.shape == (1, 6, 4)
    train = source.train().pixels
    assert train.shape == (3, 1, 6, 4)
    np.testing.assert_array_equal(train[0, 0], ramp)
    np.testing.assert_array_equal(train[1, 0], np.asarray(Image.open(io.BytesIO(picture(1))).convert("L")))
    sized = opened(tmp_path / "images.zip", channels=1, mean=(0.5,), std=(0.5,), size=3)
    assert sized.train().pixels.shape == (3, 1, 3, 3)
