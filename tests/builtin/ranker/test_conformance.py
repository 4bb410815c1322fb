from __future__ import annotations

from emopms.builtin.ranker.greedy import Greedy
from emopms.builtin.ranker.impairment import Impairment
from emopms.testing import RankerConformance


class TestGreedy(RankerConformance):
    component = Greedy()


class TestImpairment(RankerConformance):
    component = Impairment()
