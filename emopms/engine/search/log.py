"""The log of evaluated candidates, from which an interrupted search resumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from emopms.engine.search.evaluation import Evaluations

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.storage.journal import Journal


class EvaluationLog:
    """A journal with one entry for each batch of newly evaluated genomes. The entry holds the genomes and their
    objectives."""

    def __init__(self, journal: Journal) -> None:
        self._journal, self._next = journal, 0

    def append(self, genomes: NDArray[np.bool_], found: Evaluations) -> None:
        """Append one batch of genomes and their objectives to the log.

        Args:
            genomes: The genomes [n, genes] of the batch.
            found: The objectives of these genomes.

        Raises:
            StoreError: The entry cannot be written.
        """
        self._journal.put(
            self._next,
            {
                "genomes": torch.from_numpy(genomes),
                "values": torch.from_numpy(found.values),
                "cause": torch.tensor(list(found.cause.encode()), dtype=torch.uint8),
            },
        )
        self._next += 1

    def replay(self) -> Iterator[tuple[NDArray[np.bool_], Evaluations]]:
        """Yield the undamaged batches (genomes [n, genes], objectives) that earlier attempts of the search logged.

        Read all batches before you `append` a new batch, because a new batch gets the next number.
        """
        for number in self._journal.numbers():
            self._next = number + 1
            batch = self._journal.get(number)
            if batch is not None:
                cause = bytes(batch["cause"].tolist()).decode()
                yield batch["genomes"].numpy(), Evaluations(batch["values"].numpy(), cause)
