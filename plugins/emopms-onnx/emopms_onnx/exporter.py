"""The exporter ``onnx``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from emopms.api import Exporter, PrunedModel

if TYPE_CHECKING:
    from pathlib import Path


class Onnx(Exporter):
    """Write `model.onnx`, for onnxruntime and other ONNX runtimes. The file accepts batches of any size."""

    name: Literal["onnx"] = "onnx"
    opset: Annotated[int, Field(ge=18)] | None = None
    """Version of the ONNX operators, 18 or higher. Set it if your runtime does not support newer versions. By default,
    PyTorch chooses the version."""

    def export(self, model: PrunedModel, folder: Path) -> None:
        import torch

        from emopms.errors import RunError
        from emopms.network import are_close, largest
        from emopms_onnx.conversion import open_session, run, write_onnx

        path = folder / "model.onnx"
        write_onnx(model.network, model.example, path, opset=self.opset)
        session = open_session(path)
        for size in (2, 1, 3):
            images = model.example[torch.arange(size) % len(model.example)]
            with torch.inference_mode():
                expected = model.network(images)
            got = torch.from_numpy(run(session, images.numpy()))
            if not are_close(got, expected):
                raise RunError(
                    f"{path} gives other outputs in onnxruntime than the pruned network "
                    f"(by up to {float((expected - got).abs().max()):.2g}, for a batch of {size}; "
                    f"the largest score is {largest(expected):.2g}).",
                    remedy="Remove onnx from `export:` and report the backbone.",
                )
