from __future__ import annotations

from emopms.builtin.objective.agreement import Agreement
from emopms.builtin.objective.capability import Capability
from emopms.builtin.objective.macs import Macs
from emopms.builtin.objective.params import Params
from emopms.testing import ObjectiveConformance


class TestCapability(ObjectiveConformance):
    component = Capability()


class TestCapabilityWithRunningStatistics(ObjectiveConformance):
    component = Capability(batch_norm="running", batch_size=7)


class TestAgreement(ObjectiveConformance):
    component = Agreement()


class TestAgreementWithRunningStatistics(ObjectiveConformance):
    component = Agreement(batch_norm="running", batch_size=7)


class TestMacs(ObjectiveConformance):
    component = Macs()


class TestParams(ObjectiveConformance):
    component = Params()
