from __future__ import annotations

from emopms.builtin.selector.feature_mse import FeatureMse
from emopms.builtin.selector.linear_probe import LinearProbe
from emopms.builtin.selector.tail import Tail
from emopms.testing import SelectorConformance


class TestFeatureMse(SelectorConformance):
    component = FeatureMse()


class TestLinearProbe(SelectorConformance):
    component = LinearProbe(epochs=7, lr=0.5)


class TestTail(SelectorConformance):
    component = Tail()
