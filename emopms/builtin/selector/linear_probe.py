"""A linear classifier on pooled features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeInt

from emopms.api import Selector, Site

if TYPE_CHECKING:
    from torch import nn


class LinearProbe(Selector):
    """A linear classifier on features averaged over positions; its loss is the cross-entropy."""

    name: Literal["linear_probe"] = "linear_probe"
    epochs: NonNegativeInt = 3

    def judge(self, site: Site) -> nn.Module:
        from emopms.network.judges import Probe

        return Probe(site.shape[0], site.classes)
