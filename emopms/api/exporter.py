"""Slot ``exporter``: writes pruned networks in a file format."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from emopms.component import Component
from emopms.documented import documented

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn


@documented
@dataclass(frozen=True)
class PrunedModel:
    """A pruned network that is ready for export."""

    network: nn.Module
    """The network, on the CPU and in eval mode."""
    example: Tensor
    """A batch of two normalised images [2, C, H, W]."""
    architecture: Mapping[str, Any]
    """JSON-compatible description from which `emopms.load` rebuilds the network."""


class Exporter(Component):
    """A file format for pruned networks."""

    slot: ClassVar[str] = "exporter"

    @abstractmethod
    def export(self, model: PrunedModel, folder: Path) -> None:
        """Write the network into ``folder``, read it back, and compare its outputs with those of ``model.network``.

        Raises:
            RunError: The written network gives different outputs, or cannot be written.
        """


def description_checksum(description: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the description of a model, without its own entry ``checksum``.

    Args:
        description: The content of ``architecture.json``.
    """
    content = {name: value for name, value in description.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
