"""Base classes of stored results."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.storage.artefact import Artefact, Workspace


class Points:
    """Base of dataclasses whose fields are arrays with one row for each point, which is a pruned network or a pruned
    sub-network. The last row is the same network or sub-network without pruning."""

    genomes: NDArray[np.bool_]
    """Genomes [p, genes] of the points, which are pruned networks or sub-networks; True keeps a channel."""

    @property
    def dense(self) -> int:
        """Index of the last row, which is the dense point: the network or sub-network without pruning."""
        return len(self.genomes) - 1

    @property
    def pruned(self) -> slice:
        """Indices of all rows except the last row, which is the network or sub-network without pruning."""
        return slice(self.dense)

    def _save(self, out: Workspace, name: str) -> None:
        out.save_arrays(name, **vars(self))

    @classmethod
    def _load(cls, artefact: Artefact, name: str) -> Self:
        return cls(**artefact.arrays(name))


class StoredPoints(Points):
    """Base of such dataclasses that a stage stores once, in one file of NumPy arrays."""

    _file: ClassVar[str]

    def save(self, out: Workspace) -> None:
        """Store the arrays."""
        self._save(out, self._file)

    @classmethod
    def load(cls, artefact: Artefact) -> Self:
        """Load the arrays that `save` stored."""
        return cls._load(artefact, cls._file)


class Summary:
    """Base of dataclasses that are stored as one JSON file."""

    _file: ClassVar[str]

    def save(self, out: Workspace) -> None:
        """Store the summary as a JSON file."""
        out.save_json(self._file, asdict(self))  # type: ignore[call-overload]  # all subclasses are dataclasses

    @classmethod
    def load(cls, artefact: Artefact) -> Self:
        """Load the summary that `save` stored."""
        fields: dict[str, Any] = artefact.json(cls._file)
        return cls(**fields)
