from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from emopms.api import Folder
from emopms.builtin.data.digits import Digits
from emopms.errors import DataError

NOWHERE = Folder(Path("nowhere"), "unused")


def test_shapes_types_and_range() -> None:
    source = Digits().open(NOWHERE)
    train, test = source.train(), source.test()
    assert source.shape == (1, 8, 8)
    assert source.classes == tuple("0123456789")
    assert len(train) + len(test) == 1797
    for part in (train, test):
        assert part.pixels.shape == (len(part), 1, 8, 8)
        assert part.pixels.dtype == np.uint8
        assert part.labels.dtype == np.int64
        assert part.pixels.min() == 0
        assert part.pixels.max() == 255


def test_a_fifth_of_each_class_is_test() -> None:
    source = Digits().open(NOWHERE)
    train, test = (np.bincount(part.labels, minlength=10) for part in (source.train(), source.test()))
    np.testing.assert_allclose(test / (train + test), 0.2, atol=0.005)


def test_the_division_never_changes() -> None:
    first, again = Digits().open(NOWHERE), Digits().open(NOWHERE)
    assert first.fingerprint == again.fingerprint
    np.testing.assert_array_equal(first.test().pixels, again.test().pixels)
    np.testing.assert_array_equal(first.test().labels[:12], [3, 7, 3, 9, 0, 8, 7, 0, 8, 0, 3, 3])


def test_train_and_test_are_disjoint_and_complete() -> None:
    from sklearn.datasets import load_digits

    source = Digits().open(NOWHERE)
    both = np.concatenate([source.train().pixels, source.test().pixels]).reshape(-1, 64)
    original = np.rint(load_digits().data * 255 / 16).astype(np.uint8)
    assert sorted(map(bytes, both)) == sorted(map(bytes, original))


def test_defaults_describe_the_pixels_and_fit_their_number() -> None:
    digits = Digits()
    pixels = digits.open(NOWHERE).train().pixels / 255
    assert digits.mean == pytest.approx((pixels.mean(),), abs=0.005)
    assert digits.std == pytest.approx((pixels.std(),), abs=0.005)
    assert digits.calibration + digits.validation < len(pixels) / 2
    assert digits.augment == ()


def test_open_does_not_import_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, module)
    Digits().open(NOWHERE)
    assert "sklearn" not in sys.modules


def test_without_scikit_learn_the_remedy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(DataError, match="scikit-learn, which is not installed") as caught:
        Digits().open(NOWHERE)
    assert caught.value.remedy == "pip install 'emopms[digits]'"
