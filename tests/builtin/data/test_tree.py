"""Folders and zip files of images: what leads elsewhere, is damaged or never ends, and fingerprints."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from emopms.builtin.data._tree import open_tree
from emopms.errors import DataError
from tests.builtin.data.pictures import layout, opened, picture, stored_as, write
from tests.memory import little_memory

if TYPE_CHECKING:
    from pathlib import Path


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


def test_a_zip_file_with_exif_data_has_another_fingerprint_than_before_they_were_read(tmp_path: Path) -> None:
    """What was stored while such images were not turned is not taken up."""
    root = write(tmp_path, layout(**{"train/2/b.png": stored_as(3)}), packed=True)
    with zipfile.ZipFile(root) as archive:
        found = {info.filename: (info.file_size, info.CRC) for info in archive.infolist()}
    names = ["train/2/b.png", "train/10/a2.png", "train/10/a10.PNG", "test/2/d.jpeg", "test/10/c.png"]
    facts = "\n".join(repr((name, *found[name])) for name in names)
    assert opened(root).fingerprint != hashlib.sha256(facts.encode()).hexdigest()


@pytest.mark.slow
def test_a_zip_file_is_read_by_forked_processes_side_by_side(tmp_path: Path) -> None:
    contents = {f"a/{number}.jpg": bytes([number]) * 50_000 for number in range(40)}
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    tree = open_tree(tmp_path / "t.zip")

    def wrong() -> int:
        names = list(contents) * 10
        return sum(tree.read(name) != contents[name] for name in names)

    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            os._exit(min(wrong(), 1))
        children.append(child)
    assert wrong() == 0
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
