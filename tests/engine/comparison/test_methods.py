from __future__ import annotations

from emopms.builtin.baseline.eagle_eye import EagleEye
from emopms.builtin.baseline.l1 import L1
from emopms.engine.comparison.methods import labels, latency_stage, row_stages
from emopms.spec import Target
from tests.engine.conftest import tiny


def test_labels_say_what_differs() -> None:
    methods = [L1(), L1(allocation="uniform"), EagleEye(candidates=7)]
    assert labels(methods) == ["l1", "l1-uniform", "eagle_eye"]
    assert labels([L1()], ["l1"]) == ["l1-2"]


def test_a_row_depends_on_what_makes_it() -> None:
    target = Target(macs=0.5)
    stages = row_stages(tiny(), L1(), "l1", target, device="cpu")
    names = [f"{step}/l1/macs-0.5" for step in ("choose", "tune", "assess", "latency")]
    assert [stage.name for stage in stages.all] == names
    other = row_stages(tiny(finetune={"epochs": 2}), L1(allocation="global"), "l1", target, device="cpu")
    same = [one.settings == two.settings for one, two in zip(stages.all, other.all, strict=True)]
    assert same == [False, False, True, True]


def test_a_latency_belongs_to_its_device() -> None:
    one, two = (latency_stage("l1", Target(macs=0.5), tuned_by="tune/l1", device=device) for device in ("cpu", "gpu"))
    assert one.inputs == ("pretrain", "tune/l1")
    assert one.settings != two.settings
