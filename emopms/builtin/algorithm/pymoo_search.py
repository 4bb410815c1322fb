"""An ask-and-tell interface to the algorithms of pymoo.

Sampling, crossover and repair are created for each search. The default operators of pymoo are shared by all its
algorithms, and so one search would change the results of another. Searches never stop by themselves, because the engine
counts the generations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pymoo.core.crossover import Crossover
from pymoo.core.evaluator import Evaluator
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.core.sampling import Sampling
from pymoo.core.termination import NoTermination
from pymoo.operators.mutation.nom import NoMutation
from pymoo.problems.static import StaticProblem

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from pymoo.core.algorithm import Algorithm as PymooAlgorithm

    from emopms.api import SearchSpace


class PymooSearch:
    """One pymoo algorithm in progress (see `emopms.api.Search`)."""

    def __init__(self, algorithm: PymooAlgorithm, space: SearchSpace, *, seed: int) -> None:
        self._problem = Problem(n_var=space.genes, n_obj=space.objectives, vtype=bool)
        self._algorithm = algorithm
        self._algorithm.setup(self._problem, termination=NoTermination(), seed=seed, verbose=False)
        self._asked: Any = None

    def ask(self) -> NDArray[np.bool_]:
        self._asked = self._algorithm.ask()
        if self._asked is None or not len(self._asked):
            return np.zeros((0, self._problem.n_var), dtype=np.bool_)
        return np.asarray(self._asked.get("X"), dtype=np.bool_)

    def tell(self, objectives: NDArray[np.float64]) -> None:
        Evaluator().eval(StaticProblem(self._problem, F=objectives), self._asked)
        # pymoo divides by the range of each objective. The range is 0 if the objective is equal for all candidates. The
        # resulting NaNs do no harm: survival then depends on the other objectives.
        with np.errstate(divide="ignore", invalid="ignore"):
            self._algorithm.tell(infills=self._asked)


def operators(space: SearchSpace) -> dict[str, Any]:
    """Return the pymoo operators of one search: the sampling and repair of its search space, and a crossover that
    mutates."""
    return {
        "sampling": _Sample(space.sample),
        "crossover": _TailCrossover(),
        "mutation": NoMutation(),
        "repair": _Repair(space.repair),
        "eliminate_duplicates": True,
    }


class _Sample(Sampling):  # type: ignore[misc]
    def __init__(self, draw: Callable[[int], NDArray[np.bool_]]) -> None:
        super().__init__()
        self._draw = draw

    def _do(self, problem: Any, n_samples: int, **kwargs: Any) -> NDArray[np.bool_]:
        return self._draw(n_samples)


class _TailCrossover(Crossover):  # type: ignore[misc]
    """One-point crossover, with mutation only after the crossover point.

    Before the crossover point, each of the two children equals one parent. After it, the child equals the other parent,
    except that one gene on average is flipped. Genes are in the order of the forward pass; only the genes of channels
    at the split points come last. So the layers before the crossover point need not be evaluated again (see
    `emopms.network.inference.segments`). This is why no gene is flipped before it.
    """

    def __init__(self) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=1.0)

    def _do(
        self,
        problem: Any,
        X: NDArray[np.bool_],  # noqa: N803  pymoo calls it so
        *,
        random_state: np.random.Generator,
        **kwargs: Any,
    ) -> NDArray[np.bool_]:
        _, pairs, genes = X.shape
        point = random_state.integers(genes, size=(pairs, 1))
        tail = np.arange(genes) >= point
        flipped = tail & (random_state.random(X.shape) < 1 / (genes - point))
        children: NDArray[np.bool_] = np.where(tail, X[::-1], X) ^ flipped
        return children


class _Repair(Repair):  # type: ignore[misc]
    def __init__(self, repair: Callable[[NDArray[np.bool_]], NDArray[np.bool_]]) -> None:
        super().__init__()
        self._repair = repair

    def _do(self, problem: Any, X: Any, **kwargs: Any) -> NDArray[np.bool_]:  # noqa: N803  pymoo calls it so
        return self._repair(np.asarray(X, dtype=np.bool_))
