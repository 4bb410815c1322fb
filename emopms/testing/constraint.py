"""Conformance suite for constraints."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from emopms.api import ChainStep, Constraint, ConstraintTraining
from emopms.network import ClassifierLoss, FeatureDistance
from emopms.testing.component import ComponentConformance
from emopms.testing.tiny import Tiny, devices, genomes_of, tiny

if TYPE_CHECKING:
    from torch import Tensor


class ConstraintConformance(ComponentConformance):
    """Conformance suite for a `Constraint`. The loss of a `ConstraintTraining` is tested on all devices and in bf16."""

    slot: ClassVar[str] = "constraint"
    component: ClassVar[Constraint]

    def test_every_subnetwork_learns_from_a_scalar_loss(self) -> None:
        for device in devices():
            setting = _trained_further(tiny(device=device))
            with device.autocast():
                loss = self._loss(setting)
            if loss is None:
                return
            is_scalar = loss.shape == () and bool(loss.isfinite())
            assert is_scalar, f"The loss is {loss!r}: return a finite scalar."
            assert loss.requires_grad, "The loss has no gradient: compute it from the outputs of the sub-networks."
            loss.backward()  # type: ignore[no-untyped-call]
            for sub in setting.subnetworks:
                found = [p.grad for p in sub.module.parameters() if p.grad is not None]
                assert any(gradient.count_nonzero() for gradient in found), (
                    f"Sub-network {sub.index + 1} of {len(setting.subnetworks)} gets no gradient: all must be trained."
                )
                assert all(g.isfinite().all() for g in found), (
                    f"Gradients of sub-network {sub.index + 1} are not finite."
                )

    def test_the_same_step_gives_the_same_loss(self) -> None:
        first, again = (self._loss(_trained_further(tiny())) for _ in range(2))
        if first is not None and again is not None:
            assert torch.allclose(first, again, rtol=1e-5), (
                f"One step gave {float(first)}, then {float(again)}: all that is random comes from step.draw."
            )

    def test_computing_the_loss_changes_no_parameter_and_no_target(self) -> None:
        setting = _trained_further(tiny())
        parameters = {name: parameter.detach().clone() for name, parameter in setting.network.named_parameters()}
        targets = [tensor.clone() for tensor in (*setting.references, setting.labels)]
        if self._loss(setting) is None:
            return
        changed = [
            n for n, parameter in setting.network.named_parameters() if not torch.equal(parameter, parameters[n])
        ]
        assert not changed, f"loss changed the parameters {changed}: only the engine takes optimiser steps."
        same = all(torch.equal(*pair) for pair in zip((*setting.references, setting.labels), targets, strict=True))
        assert same, "loss changed step.references or step.labels."

    def _loss(self, setting: Tiny) -> Tensor | None:
        if not isinstance(self.component, ConstraintTraining):
            return None
        criteria = [ClassifierLoss() if sub.is_last else FeatureDistance() for sub in setting.subnetworks]
        genomes = [genomes_of(sub, 2)[1] for sub in setting.subnetworks]
        step = ChainStep(
            setting.references, setting.labels, setting.subnetworks, criteria, lambda index: genomes[index]
        )
        return self.component.loss(step)


def _trained_further(setting: Tiny) -> Tiny:
    """Set the sub-networks to training mode, and change their parameters, so that outputs differ from references."""
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        for parameter in setting.network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator).to(parameter.device))
    setting.network.train()
    for sub in setting.subnetworks:
        sub.module.train()
    return setting
