"""Conformance suite for data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from emopms.api import Data, Folder, Images, Part, Source
from emopms.testing.component import ComponentConformance

if TYPE_CHECKING:
    from pathlib import Path


class DataConformance(ComponentConformance):
    """Conformance suite for a `Data`. If the data are read from files, override the method ``folder``."""

    slot: ClassVar[str] = "data"
    component: ClassVar[Data]

    def folder(self, tmp_path: Path) -> Folder:
        """Return the data folder. A method that overrides this one first writes a few images into the folder.

        It must write equal images in each call.
        """
        return Folder(tmp_path, "the conformance suite")

    def test_facts_are_known_without_pixels(self, tmp_path: Path) -> None:
        source = self._opened(tmp_path)
        sizes = [size for size in source.shape if isinstance(size, int) and size > 0]
        assert len(sizes) == len(source.shape) == 3, f"shape is {source.shape!r}: give [C, H, W] of one image."
        names = source.classes
        are_names = isinstance(names, tuple) and all(isinstance(name, str) and name for name in names)
        assert are_names, f"classes is {names!r}: give a tuple of names."
        assert len(set(names)) == len(names) >= 2, f"classes is {names!r}: give two or more different names."
        is_text = isinstance(source.fingerprint, str) and bool(source.fingerprint)
        assert is_text, f"fingerprint is {source.fingerprint!r}: give a text that changes with the content."

    def test_images_are_as_described(self, tmp_path: Path) -> None:
        source = self._opened(tmp_path)
        for part, found in (("train", source.train()), ("test", source.test())):
            pixels, labels = found.pixels, found.labels
            assert len(labels), f"There are no {part} images."
            assert pixels.dtype in (np.uint8, np.float32), f"{part} pixels are {pixels.dtype}: give uint8 or float32."
            assert pixels.shape == (len(labels), *source.shape), (
                f"{part} pixels are {list(pixels.shape)} for {len(labels)} labels and the shape {list(source.shape)}."
            )
            low, high = pixels.min(), pixels.max()
            assert pixels.dtype == np.uint8 or (low >= 0 and high <= 1), (
                f"{part} pixels lie in {low}…{high}: give float32 in 0…1, the engine normalises."
            )
            are_numbers = labels.dtype == np.int64 and labels.ndim == 1
            assert are_numbers, f"{part} labels are {labels.dtype} {list(labels.shape)}: give int64 [N]."
            lowest, highest = (0, len(source.classes) - 1) if source.labelled else (-1, -1)
            assert lowest <= labels.min() <= labels.max() <= highest, (
                f"{part} labels lie in {labels.min()}…{labels.max()} for {len(source.classes)} classes."
                if source.labelled
                else f"{part} labels lie in {labels.min()}…{labels.max()}: without labels, all are -1."
            )

    def test_sizes_are_those_of_the_parts(self, tmp_path: Path) -> None:
        source = self._opened(tmp_path)
        claimed, found = (source.train_size, source.test_size), (len(source.train()), len(source.test()))
        assert claimed == found, f"train_size and test_size are {claimed}, but there are {found} images."
        own = len(source.validation()) if source.validation_size else 0
        assert own == source.validation_size, (
            f"validation_size is {source.validation_size}, but there are {own} images."
        )

    def test_items_are_as_described(self, tmp_path: Path) -> None:
        source = self._opened(tmp_path)
        sizes: dict[Part, int] = {
            "train": source.train_size,
            "validation": source.validation_size,
            "test": source.test_size,
        }
        for part, size in sizes.items():
            items = source.one_by_one(part)
            if items is None:
                continue
            assert len(items) == size, f"{part}_size is {size}, and one_by_one gives {len(items)} items."
            pixels, label = items[0]
            form = f"{str(pixels.dtype).removeprefix('torch.')} {list(pixels.shape)}"
            assert form in (f"uint8 {list(source.shape)}", f"float32 {list(source.shape)}"), (
                f"The pixels of a {part} item are {form}: give uint8 or float32 of the shape {list(source.shape)}."
            )
            known = range(len(source.classes))
            assert label in known, f"A {part} item has the label {label!r} for {len(known)} classes."

    def test_normalisation_fits_the_channels(self, tmp_path: Path) -> None:
        channels = self._opened(tmp_path).shape[0]
        for name in ("mean", "std"):
            values = getattr(self.component, name)
            assert len(values) in (1, channels), f"`{name}` holds {len(values)} values for {channels} channels."

    def test_the_order_is_fixed(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path)
        source, again = self.component.open(folder), self.component.open(folder)
        assert source.fingerprint == again.fingerprint, (
            f"Opened twice, the fingerprint is {source.fingerprint!r}, then {again.fingerprint!r}: hash the content."
        )
        for part, first, second in (
            ("train", source.train(), again.train()),
            ("train", source.train(), source.train()),
            ("test", source.test(), again.test()),
        ):
            same = np.array_equal(first.pixels, second.pixels) and np.array_equal(first.labels, second.labels)
            assert same, f"{part} images differ from one reading to the next: sort files, and use no randomness."

    def test_test_images_are_held_out(self, tmp_path: Path) -> None:
        source = self._opened(tmp_path)
        train, test = _distinct(source.train()), _distinct(source.test())
        assert not test <= train, f"All {len(test)} different test images are training images, too."
        if source.validation_size:
            validation = _distinct(source.validation())
            assert not validation <= train, (
                f"All {len(validation)} different validation images are training images, too."
            )
            assert not validation <= test, f"All {len(validation)} different validation images are test images, too."

    def _opened(self, tmp_path: Path) -> Source:
        return self.component.open(self.folder(tmp_path))


def _distinct(images: Images) -> set[bytes]:
    return {image.tobytes() for image in images.pixels}
