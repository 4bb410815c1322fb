"""The exporter ``pt2``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from emopms.api import Exporter, PrunedModel

if TYPE_CHECKING:
    from pathlib import Path


class Pt2(Exporter):
    """Write the file `model.pt2`. `torch.export.load` reads it without emopms. The model in it accepts batches of any
    size."""

    name: Literal["pt2"] = "pt2"

    def export(self, model: PrunedModel, folder: Path) -> None:
        import io

        import torch

        from emopms.errors import RunError
        from emopms.network import are_close, largest

        batch = torch.export.Dim("batch")
        program = torch.export.export(model.network, (model.example,), dynamic_shapes=({0: batch},))
        path = folder / "model.pt2"
        content = io.BytesIO()  # PyTorch's file writer aborts the process if the disk is full
        torch.export.save(program, content)
        path.write_bytes(content.getvalue())
        loaded = torch.export.load(path).module()
        with torch.inference_mode():
            for size in (2, 1):
                expected, got = model.network(model.example[:size]), loaded(model.example[:size])
                if not are_close(got, expected):
                    raise RunError(
                        f"{path} gives other outputs than the pruned network "
                        f"(by up to {float((expected - got).abs().max()):.2g}; "
                        f"the largest score is {largest(expected):.2g}).",
                        remedy="Remove pt2 from `export:` and report the backbone.",
                    )
