"""The baseline ``chip``: the pruning method CHIP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from emopms.api import ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from emopms.api import PruningTask

_AT_ONCE = 32
"""Number of channels whose independence is computed in one step."""


class Chip(ScoredBaseline):
    """Keep the channels whose feature maps the other channels of their layer can replace least.

    CHIP (Sui et al. 2021, arXiv 2110.13981). The feature maps of a layer are a matrix [channels, H·W]. The score of a
    channel, its independence, is the decrease of the matrix's nuclear norm if the row of the channel is set to zero,
    averaged over some images. Here it is divided by the nuclear norm per channel, so that the scores of different
    layers can be compared.
    """

    name: Literal["chip"] = "chip"
    images: Annotated[int, Field(ge=1)] = 16
    """Number of calibration images whose feature maps are used."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        from emopms.network import feature_maps, filters_of, mean_by_gene

        genes, found = {each.layer: each.genes for each in filters_of(task.subnetwork)}, []
        for maps in feature_maps(task.subnetwork, task.inputs[: self.images]):
            for layer, features in maps.items():
                found += [(genes[layer], _independence(rows)) for rows in features.flatten(2).double()]
        return mean_by_gene(task.genes, found)


def _independence(rows: Tensor) -> NDArray[Any]:
    """Return the independence of each channel [C] from the feature maps of one image [C, positions].

    The independence of a channel is the decrease of the matrix's nuclear norm if its row is set to zero. Nuclear norms
    are computed from the inner products of rows or of columns, whichever are fewer.
    """
    import torch

    channels, positions = rows.shape
    products = rows @ rows.T if channels < positions else rows.T @ rows
    whole, falls = _nuclear_norm(products), []
    for some in torch.split(torch.arange(channels, device=rows.device), _AT_ONCE):
        if channels < positions:
            masked = products.expand(len(some), channels, channels).clone()
            masked[torch.arange(len(some), device=rows.device), some, :] = 0
            masked[torch.arange(len(some), device=rows.device), :, some] = 0
        else:
            masked = products - rows[some, :, None] * rows[some, None, :]
        falls.append(whole - _nuclear_norm(masked))
    independence: NDArray[Any] = (torch.cat(falls) / (whole / channels).clamp_min(1e-12)).cpu().numpy()
    return independence


def _nuclear_norm(products: Tensor) -> Tensor:
    """Return the nuclear norms [...] of matrices, given the inner products of their rows or columns [..., n, n]."""
    import torch

    norms: Tensor = torch.linalg.eigvalsh(products).clamp_min(0).sqrt().sum(dim=-1)
    return norms
