"""Conformance suite for objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from emopms.api import Cost, Objective, Task
from emopms.testing.component import ComponentConformance
from emopms.testing.tiny import devices, genomes_of, tiny
from emopms.testing.unchanged import Snapshot

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ObjectiveConformance(ComponentConformance):
    """Conformance suite for an `Objective`, with further tests for a `Cost`.

    If the objective is `measured`, its values are not compared, because they differ from call to call.
    """

    slot: ClassVar[str] = "objective"
    component: ClassVar[Objective]

    def test_gives_one_finite_number_a_candidate(self) -> None:
        """Evaluate one candidate and several candidates of each sub-network, on all devices and in bf16."""
        for device in devices():
            setting = tiny(device=device)
            for sub in setting.subnetworks:
                for count in (1, 4):
                    self._values(genomes_of(sub, count), setting.task(sub.index))

    def test_a_value_depends_on_its_candidate_alone(self) -> None:
        setting = tiny()
        for sub in setting.subnetworks if not self.component.measured else ():
            genomes, task = genomes_of(sub, 5), setting.task(sub.index)
            values = self._values(genomes, task)
            for what, rows in (("again", [0, 1, 2, 3, 4]), ("in another order", [3, 0, 4, 2, 1]), ("alone", [2])):
                found = self._values(genomes[rows], task)
                assert np.allclose(found, values[rows], rtol=1e-5, atol=1e-8), (
                    f"Evaluated {what}, candidates {rows} have the values {found}; before, {values[rows]}: a value "
                    "must not depend on other candidates nor on chance. If values are measured, declare "
                    "`measured: ClassVar[bool] = True`."
                )

    def test_changes_neither_candidates_nor_task(self) -> None:
        setting = tiny()
        for sub in setting.subnetworks:
            genomes, task = genomes_of(sub, 3), setting.task(sub.index)
            network, criterion = Snapshot(setting.network), Snapshot(task.criterion)
            copy, tensors = genomes.copy(), {n: getattr(task, n).clone() for n in ("inputs", "references", "labels")}
            self.component.evaluate(genomes, task)
            assert np.array_equal(genomes, copy), "evaluate changed the genomes: work on a copy."
            changed = [name for name, before in tensors.items() if not torch.equal(getattr(task, name), before)]
            assert not changed, f"evaluate changed task.{', task.'.join(changed)}: all candidates share them."
            assert not network.changes(), (
                f"evaluate changed the sub-network ({network.changes()}): evaluate a copy, or emopms.network.Evaluator."
            )
            assert not criterion.changes(), f"evaluate changed the criterion ({criterion.changes()})."

    def test_a_cost_is_never_negative(self) -> None:
        setting = tiny()
        for sub in setting.subnetworks if isinstance(self.component, Cost) else ():
            values = self._values(genomes_of(sub, 6), setting.task(sub.index))
            assert (values >= 0).all(), f"Costs {values} of sub-network {sub.index + 1}: a cost is at least 0."

    def test_a_cost_never_falls_as_channels_are_added(self) -> None:
        setting = tiny()
        for sub in setting.subnetworks if self._is_exact_cost else ():
            chain = [sub.dense]
            for gene in np.random.default_rng(0).permutation(sub.channels.genes):
                less = chain[-1].copy()
                less[gene] = False
                if all(cover.met_by(less[None])[0] for cover in sub.channels.covers):
                    chain.append(less)
            values = self._values(np.stack(chain), setting.task(sub.index))
            assert (np.diff(values) <= 1e-9 * values.max()).all(), (
                f"The costs are {values.tolist()}, from the dense sub-network on with one channel less each time: "
                "keeping more channels must never cost less. Derive from Objective if it is not a cost."
            )

    def test_costs_add_up_over_subnetworks(self) -> None:
        """Compare the sum of the costs of all sub-networks with the cost of the whole network. Both must be equal."""
        if not self._is_exact_cost:
            return
        setting, whole = tiny(), tiny(points=())
        parts = [self._values(sub.dense[None], setting.task(sub.index))[0] for sub in setting.subnetworks]
        total = self._values(whole.subnetworks[0].dense[None], whole.task(0))[0]
        assert np.isclose(sum(parts), total, rtol=1e-5), (
            f"The sub-networks cost {parts}, together {sum(parts)}, but the whole network costs {total}: "
            "return absolute costs, not shares. Derive from Objective if values do not add up."
        )

    @property
    def _is_exact_cost(self) -> bool:
        return isinstance(self.component, Cost) and not self.component.measured

    def _values(self, genomes: NDArray[np.bool_], task: Task) -> NDArray[Any]:
        values = self.component.evaluate(genomes, task)
        are_floats = isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.shape == (len(genomes),)
        assert are_floats, (
            f"evaluate returned {_describe(values)} for {len(genomes)} candidates: return an array of that many floats."
        )
        assert np.isfinite(values).all(), f"evaluate returned {values}: all values must be finite."
        return values


def _describe(values: object) -> str:
    if isinstance(values, np.ndarray):
        return f"an array of {values.dtype} {list(values.shape)}"
    return f"a {type(values).__name__}"
