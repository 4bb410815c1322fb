from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import torch

from emopms.api import ConstraintTraining
from emopms.builtin.constraint.feature import Feature
from emopms.testing import ConstraintConformance
from tests.testing.broken import Broken, component

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from emopms.api import ChainStep

CALLS = count()


def constraint(loss: Any) -> Any:
    return component(ConstraintTraining, loss=lambda self, step: loss(step))


def right(step: ChainStep) -> Tensor:
    return Feature().loss(step)


def first_only(step: ChainStep) -> Tensor:
    return step.subnetworks[0].forward(step.references[0]).mean()


def learning(step: ChainStep) -> Tensor:
    loss = right(step)
    with torch.no_grad():
        for parameter in step.subnetworks[1].module.parameters():
            parameter.mul_(0.9)
    return loss


def forgetting(step: ChainStep) -> Tensor:
    loss = right(step)
    step.references[1].zero_()
    return loss


def in_fp32_alone(step: ChainStep) -> Tensor:
    return right(step) + step.references[1].flatten().dot(torch.ones(step.references[1].numel()))


LEARNS, SAME = "every_subnetwork_learns_from_a_scalar_loss", "the_same_step_gives_the_same_loss"
CHANGES = "computing_the_loss_changes_no_parameter_and_no_target"
BROKEN = [
    Broken(LEARNS, constraint(lambda step: right(step).expand(2)), "return a finite scalar"),
    Broken(LEARNS, constraint(lambda step: right(step) / 0), "return a finite scalar"),
    Broken(LEARNS, constraint(lambda step: right(step).detach()), "The loss has no gradient"),
    Broken(LEARNS, constraint(first_only), "Sub-network 2 of 3 gets no gradient"),
    Broken(LEARNS, constraint(lambda step: right(step) + 0 * (right(step) * 0).sqrt()), "are not finite"),
    Broken(LEARNS, constraint(in_fp32_alone), "same dtype|BFloat16"),
    Broken(SAME, constraint(lambda step: right(step) * (1 + next(CALLS))), "comes from step.draw"),
    Broken(SAME, constraint(lambda step: right(step) * torch.rand(())), "comes from step.draw"),
    Broken(CHANGES, constraint(learning), "changed the parameters .*stage2"),
    Broken(CHANGES, constraint(forgetting), "changed step.references or step.labels"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(ConstraintConformance, tmp_path)
