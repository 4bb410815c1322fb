"""Conformance suites for authors of components, one per slot.

Derive a test class from the suite of the slot, set ``component``, and run pytest::

    from emopms.testing import ObjectiveConformance
    from my_latency import MyLatency


    class TestMyLatency(ObjectiveConformance):
        component = MyLatency()

Define the component in a module that imports no heavy packages, not in the test module. Public attributes and methods
of a suite whose names do not begin with ``test_`` can be overridden.
"""

from emopms.testing.algorithm import AlgorithmConformance
from emopms.testing.backbone import BackboneConformance
from emopms.testing.baseline import BaselineConformance
from emopms.testing.component import ComponentConformance
from emopms.testing.constraint import ConstraintConformance
from emopms.testing.data import DataConformance
from emopms.testing.exporter import ExporterConformance
from emopms.testing.objective import ObjectiveConformance
from emopms.testing.ranker import RankerConformance
from emopms.testing.sampling import SamplingConformance
from emopms.testing.selector import SelectorConformance
from emopms.testing.split import SplitConformance
from emopms.testing.tracker import TrackerConformance

__all__ = [
    "AlgorithmConformance",
    "BackboneConformance",
    "BaselineConformance",
    "ComponentConformance",
    "ConstraintConformance",
    "DataConformance",
    "ExporterConformance",
    "ObjectiveConformance",
    "RankerConformance",
    "SamplingConformance",
    "SelectorConformance",
    "SplitConformance",
    "TrackerConformance",
]
