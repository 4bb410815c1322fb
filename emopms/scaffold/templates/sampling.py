"""The component ``new_sampling`` of the slot ``sampling``: it draws the first candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import Sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.network import SubNetwork


class NewSampling(Sampling):
    """Keep each channel with a probability that grows from the first candidate to the last."""

    name: Literal["new_sampling"] = "new_sampling"
    sparsest: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Probability for the first candidate. The last candidate has the probability 1."""

    def sample(self, subnetwork: SubNetwork, inputs: Tensor, count: int, rng: np.random.Generator) -> NDArray[Any]:
        import numpy as np

        keep = np.linspace(self.sparsest, 1, count)[:, None]
        return rng.random((count, subnetwork.channels.genes)) < keep
