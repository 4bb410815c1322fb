"""Which channels must be kept or dropped together.

Every index along every dimension of every tensor, activation or parameter, gets a label. Operations that tie indices
together merge their labels: a linear layer merges the columns of its weight with the features it reads, a residual
sum merges both sides. A genome is one bit a label that a layer makes; slicing, surgery and cost all follow from
which labels each dimension of each parameter carries.

An operation that is not known here is never guessed at: the channels that touch it are pinned, with the reason. The
operations are handled in `attention`, `contraction`, `elementwise`, `concat_split`, `normalisation`, `reshape`,
`sizes` and `spatial`, a function each.
"""

from emopms.network.channels.labels import (  # noqa: F401  what they handle is known once they are imported
    attention,
    concat_split,
    contraction,
    elementwise,
    normalisation,
    reshape,
    sizes,
    spatial,
)
from emopms.network.channels.labels.propagation import channels_of

__all__ = ["channels_of"]
