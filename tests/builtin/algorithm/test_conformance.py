from __future__ import annotations

from emopms.builtin.algorithm.nsga2 import Nsga2
from emopms.builtin.algorithm.random import RandomSearch
from emopms.builtin.algorithm.sms_emoa import SmsEmoa
from emopms.builtin.algorithm.spea2 import Spea2
from emopms.testing import AlgorithmConformance


class TestNsga2(AlgorithmConformance):
    component = Nsga2(pop_size=8, generations=3)


class TestRandomSearch(AlgorithmConformance):
    component = RandomSearch(pop_size=8)


class TestSmsEmoa(AlgorithmConformance):
    component = SmsEmoa(pop_size=8)


class TestSpea2(AlgorithmConformance):
    component = Spea2(pop_size=8)
