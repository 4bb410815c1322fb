from __future__ import annotations

from emopms.builtin.split.at import At
from emopms.testing import SplitConformance


class TestAt(SplitConformance):
    component = At(points=("stage1", "stage2.1"))


class TestAtNoPoint(SplitConformance):
    component = At()
