"""Conformance suites, one a slot, for authors of components.

Derive a test class, name the component, and pytest does the rest::

    from emopms.testing import ObjectiveConformance
    from my_latency import MyLatency


    class TestMyLatency(ObjectiveConformance):
        component = MyLatency()

The component must live in a module that imports nothing heavy, not in the test module. Attributes and methods of a
suite that do not begin with ``test_`` are there to be overridden.
"""

from emopms.testing.algorithm import AlgorithmConformance
from emopms.testing.backbone import BackboneConformance
from emopms.testing.component import ComponentConformance
from emopms.testing.constraint import ConstraintConformance
from emopms.testing.data import DataConformance
from emopms.testing.exporter import ExporterConformance
from emopms.testing.objective import ObjectiveConformance
from emopms.testing.ranker import RankerConformance
from emopms.testing.sampling import SamplingConformance
from emopms.testing.selector import SelectorConformance
from emopms.testing.split import SplitConformance

__all__ = [
    "AlgorithmConformance",
    "BackboneConformance",
    "ComponentConformance",
    "ConstraintConformance",
    "DataConformance",
    "ExporterConformance",
    "ObjectiveConformance",
    "RankerConformance",
    "SamplingConformance",
    "SelectorConformance",
    "SplitConformance",
]
