from __future__ import annotations

from emopms.builtin.sampling.importance import Importance
from emopms.builtin.sampling.sensitivity import Sensitivity
from emopms.builtin.sampling.uniform import Uniform
from emopms.testing import SamplingConformance


class TestImportance(SamplingConformance):
    component = Importance()


class TestImportanceWithoutBlur(SamplingConformance):
    component = Importance(least=0.3, blur=0.0)


class TestSensitivity(SamplingConformance):
    component = Sensitivity()


class TestUniform(SamplingConformance):
    component = Uniform()
