from __future__ import annotations

import pytest

from emopms.builtin.baseline.abc_pruner import AbcPruner
from emopms.builtin.baseline.apoz import Apoz
from emopms.builtin.baseline.bn_scale import BnScale
from emopms.builtin.baseline.ccep import Ccep
from emopms.builtin.baseline.chip import Chip
from emopms.builtin.baseline.eagle_eye import EagleEye
from emopms.builtin.baseline.fisher import Fisher
from emopms.builtin.baseline.fpgm import Fpgm
from emopms.builtin.baseline.group_norm import GroupNorm
from emopms.builtin.baseline.hrank import HRank
from emopms.builtin.baseline.l1 import L1
from emopms.builtin.baseline.l2 import L2
from emopms.builtin.baseline.lamp import Lamp
from emopms.builtin.baseline.netadapt import NetAdapt
from emopms.builtin.baseline.obd_diag import ObdDiag
from emopms.builtin.baseline.random import RandomScores
from emopms.builtin.baseline.taylor import Taylor
from emopms.builtin.baseline.thinet import ThiNet
from emopms.testing import BaselineConformance

pytestmark = pytest.mark.slow


class TestRandomScores(BaselineConformance):
    component = RandomScores()


class TestL1(BaselineConformance):
    component = L1()


class TestL2(BaselineConformance):
    component = L2()


class TestFpgm(BaselineConformance):
    component = Fpgm()


class TestLamp(BaselineConformance):
    component = Lamp()


class TestBnScale(BaselineConformance):
    component = BnScale()


class TestTaylor(BaselineConformance):
    component = Taylor()


class TestFisher(BaselineConformance):
    component = Fisher()


class TestObdDiag(BaselineConformance):
    component = ObdDiag()


class TestGroupNorm(BaselineConformance):
    component = GroupNorm()


class TestApoz(BaselineConformance):
    component = Apoz()


class TestHRank(BaselineConformance):
    component = HRank()


class TestChip(BaselineConformance):
    component = Chip()


class TestThiNet(BaselineConformance):
    component = ThiNet()


class TestEagleEye(BaselineConformance):
    component = EagleEye(candidates=10)


class TestAbcPruner(BaselineConformance):
    component = AbcPruner(sources=4, cycles=2)


class TestCcep(BaselineConformance):
    component = Ccep(generations=1)


class TestNetAdapt(BaselineConformance):
    component = NetAdapt(steps=5)


class TestL1Global(BaselineConformance):
    component = L1(allocation="global")


class TestL1Uniform(BaselineConformance):
    component = L1(allocation="uniform")
