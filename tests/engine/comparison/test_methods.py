from __future__ import annotations

from emopms.builtin.baseline.eagle_eye import EagleEye
from emopms.builtin.baseline.l1 import L1
from emopms.engine.comparison.methods import labels, row_stages
from emopms.spec import Target
from tests.engine.conftest import tiny


def test_labels_say_what_differs() -> None:
    methods = [L1(), L1(allocation="uniform"), EagleEye(candidates=7)]
    assert labels(methods) == ["l1", "l1-uniform", "eagle_eye"]
    assert labels([L1()], ["l1"]) == ["l1-2"]


def test_a_row_depends_on_what_makes_it() -> None:
    target = Target(macs=0.5)
    stages = row_stages(tiny(), L1(), "l1", target)
    assert [stage.name for stage in stages.all] == ["choose/l1/macs-0.5", "tune/l1/macs-0.5", "assess/l1/macs-0.5"]
    other = row_stages(tiny(finetune={"epochs": 2}), L1(allocation="global"), "l1", target)
    same = [one.settings == two.settings for one, two in zip(stages.all, other.all, strict=True)]
    assert same == [False, False, True]
