"""The baseline ``obd_diag``: the pruning method Optimal Brain Damage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from emopms.api import BatchSize, ScoredBaseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emopms.api import PruningTask


class ObdDiag(ScoredBaseline):
    """Keep the filters whose removal is estimated to increase the loss most, by the diagonal of the Hessian.

    Optimal Brain Damage (LeCun, Denker and Solla 1989, NeurIPS 2). The score of a weight w is h w² / 2, and the score
    of a filter is the sum over its weights. The second derivative h is taken from the diagonal of the Gauss–Newton
    matrix. It is estimated from gradients of the loss, with labels drawn at random from the network's own class
    probabilities.
    """

    name: Literal["obd_diag"] = "obd_diag"
    batch_size: BatchSize = 4
    """Number of images per gradient. With fewer images, the estimate is more exact but takes longer."""

    def scores(self, task: PruningTask) -> NDArray[Any]:
        import copy

        import torch
        import torch.nn.functional as F

        from emopms.network import filters_of, mean_by_gene

        filters, drawn = filters_of(task.subnetwork), torch.Generator().manual_seed(int(task.rng.integers(2**63)))
        with torch.inference_mode(mode=False), torch.enable_grad():
            module = copy.deepcopy(task.subnetwork.module).eval().requires_grad_(False)
            weights = [module.get_parameter(each.weight).requires_grad_() for each in filters]
            curvature = [torch.zeros_like(weight) for weight in weights]
            for images in torch.split(task.inputs, self.batch_size):
                scores = module(images.to(weights[0]).clone()).float()
                classes = torch.multinomial(scores.detach().softmax(dim=1).cpu(), 1, generator=drawn)[:, 0]
                loss = F.cross_entropy(scores, classes.to(scores.device), reduction="sum")
                for total, gradient in zip(curvature, torch.autograd.grad(loss, weights), strict=True):
                    total += gradient**2  # cross terms of independent images vanish on average
        saliency = [h * weight.detach() ** 2 / 2 for h, weight in zip(curvature, weights, strict=True)]
        by_filter = [
            own.movedim(each.dim, 0).flatten(1).sum(dim=1) for own, each in zip(saliency, filters, strict=True)
        ]
        return mean_by_gene(
            task.genes, [(each.genes, own.cpu().numpy()) for each, own in zip(filters, by_filter, strict=True)]
        )
