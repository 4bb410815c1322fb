from __future__ import annotations

from emopms.builtin.split.at import At
from emopms.builtin.split.blocks import Blocks
from emopms.builtin.split.even import Even
from emopms.testing import SplitConformance


class TestAt(SplitConformance):
    component = At(points=("stage1", "stage2.1"))


class TestAtNoPoint(SplitConformance):
    component = At()


class TestEven(SplitConformance):
    component = Even(parts=3)


class TestBlocks(SplitConformance):
    component = Blocks()
