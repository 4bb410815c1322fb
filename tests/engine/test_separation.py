"""Never select on test data: what each part of a run may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import emopms
from emopms.api import Folder, Images, Source
from emopms.builtin.data.digits import Digits
from emopms.engine.images.image_sets import ImageSets
from emopms.engine.stages.dense import Dense
from emopms.engine.stages.export import Export
from emopms.errors import DataError
from emopms.network.runtime.device import Device
from tests.engine.conftest import TINY, Unlabelled, weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emopms.engine.stages.base import Stage


class Watched(Digits):
    """Digits whose test images are answered by a function."""

    name: Literal["digits"] = "digits"

    def open(self, folder: Folder) -> Source:
        source = super().open(folder)
        if _on_test is not None:
            answer, original = _on_test, source.test
            source.test = lambda: answer(original())  # type: ignore[method-assign]
        return source


class WatchedWithoutLabels(Watched, Unlabelled):
    """Likewise, where the dense network's predictions take the place of labels."""


_on_test: Callable[[Images], Images] | None = None


@pytest.fixture(autouse=True)
def _reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "_on_test", None)


@pytest.fixture(scope="module", params=["labelled", "unlabelled"])
def spec(request: pytest.FixtureRequest, unlabelled: dict[str, Any]) -> emopms.Spec:
    base, data = (TINY, Watched) if request.param == "labelled" else (unlabelled, WatchedWithoutLabels)
    return emopms.Spec.model_validate(base | {"data": data(calibration=128, validation=128), "export": ["safetensors"]})


@pytest.fixture(scope="module")
def clean(spec: emopms.Spec, tmp_path_factory: pytest.TempPathFactory) -> emopms.Result:
    """A run in which nothing is changed."""
    return emopms.run(spec, run_dir=tmp_path_factory.mktemp("clean") / "run", device="cpu")


@pytest.mark.slow
def test_test_images_change_nothing_but_the_reported_figures(
    spec: emopms.Spec, clean: emopms.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def garbage(images: Images) -> Images:
        return Images(np.zeros_like(images.pixels), images.labels[::-1].copy())

    monkeypatch.setitem(globals(), "_on_test", garbage)
    spoilt = emopms.run(spec, run_dir=tmp_path / "spoilt", device="cpu")
    assert spoilt.summary["dense"]["loss"] != clean.summary["dense"]["loss"], "the garbage was looked at"
    assert (clean.folder / "front.csv").read_bytes() == (spoilt.folder / "front.csv").read_bytes()
    for name, tensor in weights(clean.folder).items():
        assert torch.equal(tensor, weights(spoilt.folder)[name])


@pytest.mark.slow
def test_what_ranks_was_not_searched_with(
    spec: emopms.Spec, clean: emopms.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageSets, "ranking", property(lambda image_sets: image_sets.validation))
    other = emopms.run(spec, run_dir=tmp_path / "other", device="cpu")
    for pattern, equal in (("front.npz", True), ("front-*.npz", False)):
        found = [sorted((run.folder / "store").rglob(pattern)) for run in (clean, other)]
        assert len(found[0]) == len(found[1]) > 0
        same = [
            np.array_equal(np.load(a)[name], np.load(b)[name])
            for a, b in zip(*found, strict=True)
            for name in np.load(a).files
        ]
        assert all(same) == equal


@pytest.mark.slow
def test_only_final_figures_come_from_test_images(
    spec: emopms.Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed, read = 0, set()

    def permitted(stage: type[Stage]) -> None:
        original = stage.run

        def run(*arguments: Any) -> None:
            nonlocal allowed
            allowed += 1
            original(*arguments)
            allowed -= 1
            read.add(stage)

        monkeypatch.setattr(stage, "run", run)

    def check(images: Images) -> Images:
        assert allowed, "test images were read by another stage"
        return images

    for stage in (Dense, Export):
        permitted(stage)
    monkeypatch.setitem(globals(), "_on_test", check)
    emopms.run(spec, run_dir=tmp_path / "run", device="cpu")
    assert read == {Dense, Export}


class Numbered(Source):
    """Images that are their own number."""

    shape = (1, 1, 1)
    classes = ("a", "b")
    fingerprint = "numbered"

    def __init__(self, train: int, test: int) -> None:
        self._train, self._test = train, test
        self.train_size, self.test_size = train, test

    def train(self) -> Images:
        return self._numbers(0, self._train)

    def test(self) -> Images:
        return self._numbers(self._train, self._test)

    @staticmethod
    def _numbers(start: int, count: int) -> Images:
        pixels = np.arange(start, start + count, dtype=np.float32).reshape(-1, 1, 1, 1)
        return Images(pixels, np.zeros(count, dtype=np.int64))


def _splits(train: int, calibration: int, validation: int, seed: int) -> ImageSets:
    data = Digits(calibration=calibration, validation=validation, mean=(0.0,), std=(1.0,))
    return ImageSets(Numbered(train, 5), data, Device("cpu"), seed=seed)


@given(st.integers(2, 50), st.integers(2, 50), st.integers(2, 50), st.integers(0, 2**40))
def test_the_five_parts_are_disjoint_and_complete(rest: int, calibration: int, validation: int, seed: int) -> None:
    image_sets = _splits(rest + 2 * calibration + validation, calibration, validation, seed)
    parts = [image_sets.train, image_sets.calibration, image_sets.ranking, image_sets.validation, image_sets.test]
    seen = [int(x) for part in parts for images, _ in part.batches(7) for x in images.flatten()]
    assert sorted(seen) == list(range(rest + 2 * calibration + validation + 5))
    assert [len(part) for part in parts] == [rest, calibration, calibration, validation, 5]


def test_batches_mix_what_is_stored_class_by_class() -> None:
    """Batch norm estimated on batches of one class each would miss the variance between classes."""
    image_sets = _splits(400, 100, 100, 0)
    for part in (image_sets.train, image_sets.calibration, image_sets.ranking, image_sets.validation):
        for images, _ in part.batches(50):
            assert 0.2 < float((images < 200).float().mean()) < 0.8


def test_a_source_that_gives_other_images_than_it_promised_is_refused() -> None:
    source = Numbered(30, 5)
    source.train_size = 31
    data = Digits(calibration=10, validation=10, mean=(0.0,), std=(1.0,))
    with pytest.raises(DataError, match="promised 31 training images and gave 30"):
        _ = ImageSets(source, data, Device("cpu"), seed=0).train
