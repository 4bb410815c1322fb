"""Sources of the genomes with which a search begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from emopms.engine.support.component_calls import guarded_call, validate_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from emopms.api import Sampling, Task


class Start(Protocol):
    """A source of genomes for the first generation of a search."""

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw ``count`` genomes, as an array [count, genes], for the first generation of a search."""


class SampledStart:
    """A source of genomes of one sub-network: the spec's sampling component draws them.

    Args:
        sampling: Draws the genomes.
        task: The search task of the sub-network.
    """

    def __init__(self, sampling: Sampling, task: Task) -> None:
        self._sampling, self._task = sampling, task

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw ``count`` genomes, as an array [count, genes], for the first generation of a search.

        Raises:
            ComponentError: The sampling raised an error, or returned an array of the wrong type or shape.
        """
        with guarded_call(self._sampling, "sample candidates"):
            found = self._sampling.sample(self._task.subnetwork, self._task.inputs, count, rng)
            validate_array(found, "booleans", None, self._task.subnetwork.channels.genes)
            return found


class JointStart:
    """A source of genomes of the whole network: first each joint scheme once, then mixtures of joint schemes.

    A mixture takes the genes of each sub-network from a joint scheme that is chosen at random.

    Args:
        genomes: Genomes [s, genes] of the joint schemes, ordered along the front.
        genes: Number of genes of each sub-network.
    """

    def __init__(self, genomes: NDArray[np.bool_], genes: Sequence[int]) -> None:
        self._joint, self._left = genomes, genomes
        self._part = np.repeat(np.arange(len(genes)), genes)  # gene -> sub-network

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw ``count`` genomes, as an array [count, genes], for the first generation of a search."""
        taken = np.linspace(0, len(self._left) - 1, min(count, len(self._left))).round().astype(np.intp)
        schemes, self._left = self._left[taken], np.delete(self._left, taken, axis=0)
        parents = rng.integers(len(self._joint), size=(count - len(taken), self._part[-1] + 1))
        return np.concatenate([schemes, self._joint[parents[:, self._part], np.arange(len(self._part))]])
