"""Slot ``exporter``: writing a pruned network where others can read it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.component import Component

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn


@dataclass(frozen=True)
class PrunedModel:
    """A finished network on the CPU, in eval mode."""

    network: nn.Module
    example: Tensor
    """A batch of two normalised images [2, C, H, W]."""
    architecture: Mapping[str, Any]
    """All that is needed to build it again, as JSON (see `emopms.load`)."""


class Exporter(Component):
    """A file format."""

    slot: ClassVar[str] = "exporter"

    @abstractmethod
    def export(self, model: PrunedModel, folder: Path) -> None:
        """Write the network into ``folder``, and check that what was written gives the network's outputs.

        Raises:
            RunError: It does not.
        """
