"""The exporter ``new_exporter``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Exporter, PrunedModel
from emopms.errors import RunError

if TYPE_CHECKING:
    from pathlib import Path


class NewExporter(Exporter):
    """`weights.npz`, the tensors of the state dict, for whoever reads numpy's files."""

    name: Literal["new_exporter"] = "new_exporter"
    compress: bool = True
    """Smaller files, written more slowly."""

    def export(self, model: PrunedModel, folder: Path) -> None:
        import numpy as np

        state = {name: tensor.numpy() for name, tensor in model.network.state_dict().items()}
        path = folder / "weights.npz"
        (np.savez_compressed if self.compress else np.savez)(path, **state)
        with np.load(path, allow_pickle=False) as read:
            if any(not np.array_equal(read[name], values) for name, values in state.items()):
                raise RunError(f"{path} does not hold what was written.", remedy="Check the disk.")
