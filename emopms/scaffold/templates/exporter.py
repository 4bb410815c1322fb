"""The component ``new_exporter`` of the slot ``exporter``: a file of numpy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Exporter, PrunedModel
from emopms.errors import RunError

if TYPE_CHECKING:
    from pathlib import Path


class NewExporter(Exporter):
    """Write the tensors of the state dict to `weights.npz`, a file of numpy's format."""

    name: Literal["new_exporter"] = "new_exporter"
    compress: bool = True
    """Whether the file is compressed. A compressed file is smaller, but writing it takes longer."""

    def export(self, model: PrunedModel, folder: Path) -> None:
        import numpy as np

        state = {name: tensor.numpy() for name, tensor in model.network.state_dict().items()}
        path = folder / "weights.npz"
        (np.savez_compressed if self.compress else np.savez)(path, **state)
        with np.load(path, allow_pickle=False) as read:
            if any(not np.array_equal(read[name], values) for name, values in state.items()):
                raise RunError(f"{path} does not hold the tensors that were written.", remedy="Check the disk.")
