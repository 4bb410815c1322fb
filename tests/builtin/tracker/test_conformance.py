from __future__ import annotations

from emopms.builtin.tracker.jsonl import Jsonl
from emopms.testing import TrackerConformance


class TestJsonl(TrackerConformance):
    component = Jsonl()
