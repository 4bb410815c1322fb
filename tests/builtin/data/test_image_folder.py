from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageFile
from pydantic import ValidationError

from emopms.api import Folder, Source
from emopms.builtin.data.image_folder import ImageFolder
from emopms.errors import DataError
from tests.memory import little_memory

if TYPE_CHECKING:
    from pathlib import Path

Files = dict[str, bytes]


def picture(colour: int, *, size: tuple[int, int] = (6, 4), mode: str = "RGB", kind: str = "PNG") -> bytes:
    """An image file of one colour; ``size`` is height and width."""
    file = io.BytesIO()
    Image.new(mode, size[::-1], (colour, 0, 255) if mode == "RGB" else colour).save(file, kind)
    return file.getvalue()


def layout(**changed: bytes) -> Files:
    files = {
        "train/10/a2.png": picture(1),
        "train/10/a10.PNG": picture(2),
        "train/2/b.png": picture(3, mode="L"),
        "test/10/c.png": picture(4),
        "test/2/d.jpeg": picture(5, kind="JPEG"),
        "test/2/notes.txt": b"not an image",
        "train/readme.png": b"not in a class folder",
    }
    return {**files, **changed}


def write(root: Path, files: Files, *, packed: bool, lead: str = "") -> Path:
    if not packed:
        for name, content in files.items():
            (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "images" / name).write_bytes(content)
        return root / "images"
    with zipfile.ZipFile(root / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(lead + name, content)
    return root / "images.zip"


def opened(root: Path, **parameters: Any) -> Source:
    return ImageFolder(root=root.name, **parameters).open(Folder(root.parent, "the test's folder"))


both = pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])


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


@both
def test_layout_errors(tmp_path: Path, packed: bool) -> None:
    root = write(tmp_path, layout(**{"test/1/e.png": picture(1)}), packed=packed)
    with pytest.raises(DataError, match=r"The class '1' in 'test' of .* has no training images in 'train'"):
        opened(root)
    with pytest.raises(DataError, match=r"no images tran/<class>/\*\.jpg") as caught:
        opened(root, train="tran")
    assert "Did you mean 'train'?" in caught.value.remedy


def test_root_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No image folder or zip file at .*nothing \(the test's folder\)"):
        opened(tmp_path / "nothing")
    (tmp_path / "text.zip").write_text("no zip file")
    with pytest.raises(DataError, match=r"text\.zip is neither a folder nor a whole zip file"):
        opened(tmp_path / "text.zip")
    whole = write(tmp_path, layout(), packed=True)
    whole.write_bytes(whole.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"images\.zip is neither a folder nor a whole zip file"):
        opened(whole)


def test_a_zip_file_may_have_one_leading_folder(tmp_path: Path) -> None:
    plain = opened(write(tmp_path, layout(), packed=True))
    expected = plain.train().pixels
    leading = opened(write(tmp_path, layout(), packed=True, lead="my-images-main/"))
    assert leading.fingerprint == plain.fingerprint
    np.testing.assert_array_equal(leading.train().pixels, expected)


def test_hidden_members_of_a_zip_file_are_ignored(tmp_path: Path) -> None:
    files = layout()
    for name in ("train//x.png", "train/2/._x.png", "train/./x.png", "__MACOSX/train/2/x.png"):
        files[name] = b"junk"
    source = opened(write(tmp_path, files, packed=True))
    assert source.classes == ("2", "10")
    assert len(source.train()) == 3


@pytest.mark.parametrize("name", ["/train/2/x.png", "../train/2/x.png", "train/2/../../../x.txt", ".."])
def test_members_that_lead_out_of_a_zip_file_are_refused(tmp_path: Path, name: str) -> None:
    root = write(tmp_path, {**layout(), name: picture(9)}, packed=True)
    with pytest.raises(DataError, match=f"^{name} in .*images.zip leads out of the archive") as caught:
        opened(root)
    assert "Pack the images again" in caught.value.remedy


@pytest.mark.parametrize("name", ["train/2/x.png", "train/3", "latest"])
def test_links_in_a_zip_file_are_refused(tmp_path: Path, name: str) -> None:
    root = write(tmp_path, layout(), packed=True)
    link = zipfile.ZipInfo(name)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(root, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match=f"^{name} in .*images.zip is a link"):
        opened(root)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path, layout(), packed=True)
    with zipfile.ZipFile(root, "a") as archive:
        archive.writestr("train/10/a2.png", picture(9))
    with pytest.raises(DataError, match=r"^train/10/a2\.png in .* is there twice"):
        opened(root)


@pytest.mark.parametrize("size", [2**20, 2**32 - 1])
def test_a_member_that_states_another_size(tmp_path: Path, size: int) -> None:
    """A large one counts as it says; of a small one no more is unpacked than it says."""
    root = write(tmp_path, layout(**{"train/10/a2.png": picture(1) + bytes(2**27)}), packed=True)
    content = bytearray(root.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = size.to_bytes(4, "little")
    root.write_bytes(content)
    with little_memory(), pytest.raises(DataError, match=r"train/10/a2\.png in .* (Bad CRC-32|is 4096 MiB large)"):
        opened(root).train()


# -- folders that lead elsewhere ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["train/2/x.png", "train/3", "train"])
def test_links_that_lead_out_of_the_folder_are_refused(tmp_path: Path, place: str) -> None:
    root = write(tmp_path, layout(), packed=False)
    outside = tmp_path / "outside"
    (root / place).rename(outside) if place == "train" else outside.mkdir()
    (outside / "private.png").write_bytes(picture(9))
    (root / place).symlink_to(outside / "private.png" if place.endswith("png") else outside)
    with pytest.raises(DataError, match=f"{place} leads out of .*images, to .*outside") as caught:
        opened(root)
    assert "name the folder that holds both" in caught.value.remedy


def test_links_inside_the_folder_and_to_it_are_followed(tmp_path: Path) -> None:
    root = write(tmp_path, layout(), packed=False)
    (root / "train/2/x.png").symlink_to("../10/a2.png")
    (root / "train/3").symlink_to("2")
    (tmp_path / "link").symlink_to(root)
    assert opened(tmp_path / "link").train_size == 6


@pytest.mark.parametrize("kind", ["pipe", "link to nothing"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    root = write(tmp_path, layout(), packed=False)
    path = root / "train/2/x.png"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("nothing")
    with pytest.raises(DataError, match=r"train/2/x\.png in .* is no file"):
        opened(root)
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(DataError, match="it is no file"):
        opened(tmp_path / "pipe.zip")


# -- images that swell -------------------------------------------------------------------------------------


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


def test_damage_inside_a_zip_file_names_the_member(tmp_path: Path) -> None:
    root = tmp_path / "images.zip"
    with zipfile.ZipFile(root, "w", zipfile.ZIP_STORED) as archive:
        for name, content in layout().items():
            archive.writestr(name, content)
    root.write_bytes(root.read_bytes().replace(picture(2), picture(7)))
    with pytest.raises(DataError, match=r"train/10/a10\.PNG in .*: Bad CRC-32"):
        opened(root).train()


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path, layout(), packed=True)
    content = bytearray(root.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 8] |= 1
    root.write_bytes(content)
    with pytest.raises(DataError, match=r"train/10/a2\.png in .* is encrypted"):
        opened(root)


def test_files_larger_than_any_image_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path, layout(), packed=False)
    os.truncate(root / "train/10/a2.png", 300 * 2**20)
    with pytest.raises(DataError, match=r"train/10/a2\.png in .* is 300 MiB large"):
        opened(root)


def test_fingerprint_of_a_zip_file_follows_names_and_content(tmp_path: Path) -> None:
    first = opened(write(tmp_path, layout(), packed=True)).fingerprint
    assert opened(write(tmp_path, layout(), packed=True)).fingerprint == first
    assert opened(write(tmp_path, layout(**{"test/2/notes.txt": b"other"}), packed=True)).fingerprint == first
    changed = layout(**{"test/10/c.png": picture(6)})
    assert opened(write(tmp_path, changed, packed=True)).fingerprint != first
    renamed = {name.replace("a2", "a3"): content for name, content in layout().items()}
    assert opened(write(tmp_path, renamed, packed=True)).fingerprint != first


def test_fingerprint_of_a_folder_follows_names_and_contents(tmp_path: Path) -> None:
    """Not times: what was copied is the same, and an image changed in place may keep its size and its time."""
    root = write(tmp_path, layout(), packed=False)
    first = opened(root).fingerprint
    image = root / "train/10/a2.png"
    os.utime(image, ns=(0, 0))
    assert opened(root).fingerprint == first
    before = image.stat()
    image.write_bytes(picture(77))
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (image.stat().st_size, image.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    changed = opened(root).fingerprint
    image.rename(root / "train/10/a3.png")
    assert len({first, changed, opened(root).fingerprint}) == 3


def test_files_that_say_that_they_are_empty_are_not_waited_for(tmp_path: Path) -> None:
    """As those in /proc do, some of which never end."""
    root = write(tmp_path, layout(**{"train/2/b.png": b""}), packed=False)
    source = opened(root, size=4)
    with pytest.raises(DataError, match=r"train/2/b\.png in .* cannot be read as a JPEG or PNG image"):
        source.train()
    (tmp_path / "kernel.zip").symlink_to("/proc/kmsg")
    with pytest.raises(DataError, match=r"kernel\.zip is neither a folder nor a whole zip file|No image folder"):
        opened(tmp_path / "kernel.zip")


# -- how images are shown ----------------------------------------------------------------------------------


ARROW = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3
"""An image that looks otherwise however it is turned or mirrored."""


def encoded(image: Image.Image, kind: str = "PNG", **parameters: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **parameters)
    return file.getvalue()


def stored_as(orientation: int, kind: str = "PNG") -> bytes:
    """The arrow, stored so that it must be turned by this EXIF orientation to stand upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what makes of the arrow what is to be stored
    image = Image.fromarray(ARROW)
    image = image.transpose(Image.Transpose(undo[orientation])) if orientation in undo else image
    return encoded(image, kind, exif=exif, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))


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


def test_a_zip_file_with_exif_data_has_another_fingerprint_than_before_they_were_read(tmp_path: Path) -> None:
    """What was stored while such images were not turned is not taken up."""
    root = write(tmp_path, layout(**{"train/2/b.png": stored_as(3)}), packed=True)
    with zipfile.ZipFile(root) as archive:
        found = {info.filename: (info.file_size, info.CRC) for info in archive.infolist()}
    names = ["train/2/b.png", "train/10/a2.png", "train/10/a10.PNG", "test/2/d.jpeg", "test/10/c.png"]
    facts = "\n".join(repr((name, *found[name])) for name in names)
    assert opened(root).fingerprint != hashlib.sha256(facts.encode()).hexdigest()


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


# -- how classes are numbered, and what is validated on ----------------------------------------------------


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
