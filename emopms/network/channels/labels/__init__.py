"""Labels: a label is an integer that stands for a set of channel indices that are kept or dropped together.

Every index along every dimension of every activation and parameter gets a label. If an operation forces two indices to
be kept or dropped together, their labels are merged: from then on, they stand for one set. For example, a linear layer
merges the labels of its weight's columns with the labels of its input features, and the sum of a residual connection
merges the labels of its two inputs. A label is called pinned if its indices must never be pruned. Otherwise it is
called free. A genome has one gene for each free label of the outputs of convolutions and linear layers. Slicing,
surgery and costs use the labels of each dimension of each parameter.

An unknown operation pins the labels of its inputs, and the reason is recorded. Each known operation has a handler: a
function in `attention`, `contraction`, `elementwise`, `concat_split`, `normalisation`, `reshape`, `sizes` or `spatial`
that merges labels and returns the labels of the operation's output.
"""

from emopms.network.channels.labels import (  # noqa: F401  the import of a module registers its handlers
    attention,
    concat_split,
    contraction,
    elementwise,
    normalisation,
    reshape,
    sizes,
    spatial,
)
from emopms.network.channels.labels.propagation import (
    ENTERS,
    LEAVES,
    PRUNE_BOUNDARIES,
    PRUNE_RESIDUAL,
    channels_of,
)

__all__ = ["ENTERS", "LEAVES", "PRUNE_BOUNDARIES", "PRUNE_RESIDUAL", "channels_of"]
