"""Conformance suite for rankers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from emopms.api import JointSchemes, SubFront
from emopms.testing.component import ComponentConformance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emopms.api import Ranker


class RankerConformance(ComponentConformance):
    """Conformance suite for a `Ranker`. The ranker joins fronts of one or more sub-networks. Some points are equal."""

    slot: ClassVar[str] = "ranker"
    component: ClassVar[Ranker]

    def test_schemes_have_the_promised_shapes(self) -> None:
        for fronts in _cases():
            schemes = self.component.join(fronts)
            count, costs = len(schemes.impairment), fronts[0].costs.shape[1]
            found = schemes.choices.shape, schemes.impairment.shape, schemes.costs.shape
            wanted = (count, len(fronts)), (count,), (count, costs)
            assert found == wanted, f"choices, impairment and costs have the shapes {found}: they must have {wanted}."
            assert schemes.choices.dtype.kind in "iu", f"choices are {schemes.choices.dtype}: give whole numbers."
            sizes = [len(front.impairment) for front in fronts]
            inside = (schemes.choices >= 0).all() and (schemes.choices < sizes).all()
            assert inside, f"Choices {schemes.choices.tolist()} of fronts that have {sizes} points."

    def test_schemes_are_sums_over_their_choices(self) -> None:
        for fronts in _cases():
            schemes = self.component.join(fronts)
            choices = schemes.choices
            impairment = sum(front.impairment[choices[:, i]] for i, front in enumerate(fronts))
            costs = sum(front.costs[choices[:, i]] for i, front in enumerate(fronts))
            assert np.allclose(schemes.impairment, impairment), (
                f"The impairments are {schemes.impairment}, the sums over the chosen points {impairment}."
            )
            assert np.allclose(schemes.costs, costs), (
                f"The costs are {schemes.costs.tolist()}, the sums over the chosen points {np.asarray(costs).tolist()}."
            )

    def test_the_cheapest_scheme_comes_first(self) -> None:
        for fronts in _cases():
            costs = self.component.join(fronts).costs[:, 0]
            assert (np.diff(costs) >= 0).all(), f"Sort schemes by their first cost, ascending; it is {costs}."

    def test_no_scheme_is_listed_twice(self) -> None:
        for fronts in _cases():
            choices = self.component.join(fronts).choices.tolist()
            assert len({tuple(choice) for choice in choices}) == len(choices), (
                f"Among the choices {choices}, some are equal."
            )

    def test_schemes_reach_from_the_cheapest_to_the_dense_network(self) -> None:
        for fronts in _cases():
            schemes = self.component.join(fronts)
            dense = [0.0, *np.sum([front.costs[-1] for front in fronts], axis=0)]
            rows = np.column_stack([schemes.impairment, schemes.costs])
            assert np.isclose(rows, dense).all(axis=1).any(), (
                f"The dense network (impairment and costs {dense}) is not among the schemes."
            )
            cheapest = sum(front.costs[:, 0].min() for front in fronts)
            assert np.isclose(schemes.costs[:, 0].min(), cheapest), (
                f"The cheapest scheme costs {schemes.costs[:, 0].min()}, but {cheapest} is possible."
            )

    def test_the_same_fronts_give_the_same_schemes_and_stay_as_they_are(self) -> None:
        for fronts, untouched in zip(_cases(), _cases(), strict=True):
            first = _lists(self.component.join(fronts))
            for front, before in zip(fronts, untouched, strict=True):
                same = np.array_equal(front.impairment, before.impairment) and np.array_equal(front.costs, before.costs)
                assert same, "join changed the fronts it was given: work on copies."
            again = _lists(self.component.join(fronts))
            assert first == again, (
                "Joined twice, the same fronts give different schemes: use no randomness and keep no state."
            )


def _cases() -> Iterator[list[SubFront]]:
    """Yield fronts of one to four sub-networks with one or two costs. The unpruned sub-network comes last, as in a
    run."""
    rng = np.random.default_rng(0)
    for costs in (1, 2):
        for sizes in ((1,), (4,), (1, 3), (5, 3, 4), (2, 2, 2, 2)):
            yield [_front(rng, size, costs) for size in sizes]
        front = _front(rng, 4, costs)
        yield [front, front]  # equal sub-networks, so that schemes have equal values
        tied = SubFront(np.array([1.0, 1.0, 1.0, 0.0]), np.array([[2.0] * costs] * 3 + [[3.0] * costs]))
        yield [tied, tied]


def _front(rng: np.random.Generator, size: int, costs: int) -> SubFront:
    """Draw a random front of one sub-network.

    Impairments and costs are whole numbers. Therefore equal values occur, and sums are exact.
    """
    impairment, saved = rng.integers(1, 6, size - 1), rng.integers(1, 8, (size - 1, costs))
    return SubFront(np.append(impairment, 0).astype(float), np.vstack([10 - saved, np.full(costs, 10)]).astype(float))


def _lists(schemes: JointSchemes) -> list[object]:
    return [schemes.choices.tolist(), schemes.impairment.tolist(), schemes.costs.tolist()]
