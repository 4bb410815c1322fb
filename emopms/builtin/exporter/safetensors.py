"""The exporter ``safetensors``: writes the format that ``emopms.load`` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Exporter, PrunedModel

if TYPE_CHECKING:
    from pathlib import Path


class Safetensors(Exporter):
    """Write the files `model.safetensors` and `architecture.json`. `emopms.load` reads both files."""

    name: Literal["safetensors"] = "safetensors"

    def export(self, model: PrunedModel, folder: Path) -> None:
        import hashlib
        import json

        import torch
        from safetensors.torch import load_file, save

        from emopms.api.exporter import description_checksum
        from emopms.errors import RunError

        # The tensors are copied, because safetensors refuses tensors that share memory, such as tied weights.
        state = {name: tensor.contiguous().clone() for name, tensor in model.network.state_dict().items()}
        (folder / "model.safetensors").write_bytes(save(state))
        written = load_file(folder / "model.safetensors")
        if any(not torch.equal(written[name], tensor) for name, tensor in state.items()):
            raise RunError(
                f"{folder / 'model.safetensors'} does not hold the tensors that were written.", remedy="Run again."
            )
        digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        architecture = {**model.architecture, "sha256": {"model.safetensors": digest}}
        architecture["checksum"] = description_checksum(architecture)
        text = json.dumps(architecture, indent=2, ensure_ascii=False)
        (folder / "architecture.json").write_text(text + "\n", encoding="utf-8")
