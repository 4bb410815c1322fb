"""The pruning methods of a comparison: the labels of baselines, and the stages that make and measure pruned
networks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emopms.engine.comparison.assess import Assess
from emopms.engine.comparison.choose import Choose
from emopms.engine.comparison.measure_latency import MeasureLatency
from emopms.engine.comparison.tune import Tune
from emopms.engine.pipeline.code_fingerprint import code_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emopms.api import Baseline
    from emopms.engine.stages.base import Stage
    from emopms.spec import Spec, Target


@dataclass(frozen=True)
class RowStages:
    """The stages that make one row of a comparison: the figures of one baseline for one target."""

    choose: Stage
    tune: Stage
    assess: Stage
    latency: Stage

    @property
    def all(self) -> list[Stage]:
        """The stages that make one row of a comparison: choose a genome, fine-tune the pruned network, test it, and
        time it."""
        return [self.choose, self.tune, self.assess, self.latency]


def labels(baselines: Sequence[Baseline], taken: Sequence[str] = ()) -> list[str]:
    """Return a distinct label for each baseline, to be used in file names. The label is the baseline's name. If several
    methods have this name, the changed parameters or a number are added to it.

    Args:
        baselines: The baselines.
        taken: Labels of other methods, which no baseline may get.
    """
    found: list[str] = list(taken)
    names = [baseline.name for baseline in baselines]
    for baseline in baselines:
        changed = [
            str(value)
            for name, value in baseline.model_dump(mode="json").items()
            if name != "name" and value != type(baseline).model_fields[name].default
        ]
        parts = [baseline.name, *(changed if names.count(baseline.name) > 1 else ())]
        label = first = re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(parts))
        number = 1
        while label in found:
            number += 1
            label = f"{first}-{number}"
        found.append(label)
    return found[len(taken) :]


def row_stages(spec: Spec, baseline: Baseline, label: str, target: Target, *, device: str) -> RowStages:
    """Return the stages that prune the pretrained network with a baseline for a target, fine-tune it and measure it.

    Args:
        spec: The spec.
        baseline: The baseline.
        label: The label of the baseline.
        target: The target.
        device: The device on which the latency is measured.
    """
    keyed, goal = spec.keyed(), target.model_dump(mode="json")
    code = code_of([baseline])
    written = {"baseline": baseline.model_dump(mode="json"), "target": goal, "genome": keyed["genome"]}
    choose, tune, assess = (f"{step}/{label}/{target.slug}" for step in ("choose", "tune", "assess"))
    return RowStages(
        Choose(
            name=choose,
            inputs=("pretrain",),
            settings=written | ({"code": code} if code else {}),
            target=target,
            baseline=baseline,
        ),
        Tune(
            name=tune,
            inputs=("pretrain", choose),
            settings={"finetune": keyed["finetune"], "target": goal} | spec.surgery.settings,
            target=target,
            chosen_by=choose,
        ),
        Assess(name=assess, inputs=(tune,), settings={}, target=target, tuned_by=tune),
        latency_stage(label, target, tuned_by=tune, device=device),
    )


def latency_stage(method: str, target: Target, *, tuned_by: str, device: str) -> Stage:
    """Return the stage that measures the latency of a pruned network.

    Args:
        method: Name of the pruning method: the name of a spec, or the label of a baseline.
        target: The target of the pruned network.
        tuned_by: Name of the stage that made the fine-tuned network.
        device: The device on which the latency is measured. A stored latency serves for this device only.
    """
    return MeasureLatency(
        name=f"latency/{method}/{target.slug}",
        inputs=("pretrain", tuned_by),
        settings={"device": device},
        target=target,
        tuned_by=tuned_by,
    )
