from __future__ import annotations

from emopms.builtin.constraint.feature import Feature
from emopms.builtin.constraint.none import Unconstrained
from emopms.testing import ConstraintConformance


class TestFeature(ConstraintConformance):
    component = Feature(weight=0.5, dense=1.0, epochs=3)


class TestUnconstrained(ConstraintConformance):
    component = Unconstrained()
