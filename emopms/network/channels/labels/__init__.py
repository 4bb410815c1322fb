"""Channel labels: which channels must be kept or dropped together.

Every index along every dimension of every tensor, activation or parameter, gets a label. Operations that tie indices
together merge their labels: a linear layer merges the columns of its weight with the features that it reads; a residual
sum merges both sides. A genome has one bit for each free label that a layer produces. Slicing, surgery and costs follow
from the labels of each dimension of each parameter.

An unknown operation pins the labels of its inputs, with the reason; nothing is guessed. Each known operation has a
handler, a function in `attention`, `contraction`, `elementwise`, `concat_split`, `normalisation`, `reshape`, `sizes` or
`spatial`.
"""

from emopms.network.channels.labels import (  # noqa: F401  importing a module registers its handlers
    attention,
    concat_split,
    contraction,
    elementwise,
    normalisation,
    reshape,
    sizes,
    spatial,
)
from emopms.network.channels.labels.propagation import PRUNE_RESIDUAL, channels_of

__all__ = ["PRUNE_RESIDUAL", "channels_of"]
