from __future__ import annotations

import pytest

from emopms.builtin.exporter.pt2 import Pt2
from emopms.builtin.exporter.safetensors import Safetensors
from emopms.testing import ExporterConformance


@pytest.mark.slow
class TestPt2(ExporterConformance):
    component = Pt2()


class TestSafetensors(ExporterConformance):
    component = Safetensors()
