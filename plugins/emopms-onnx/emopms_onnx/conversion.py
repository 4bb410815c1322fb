"""Converts PyTorch networks to ONNX files, and runs the files in onnxruntime.

This module imports torch, onnx and onnxruntime.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import onnx
import onnxruntime  # type: ignore[import-untyped]
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass

from emopms.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

INPUT, OUTPUT = "input", "output"
PROTOBUF_LIMIT = 2**31 - 2**24
"""Largest size in bytes of weights in one file: 2 GB minus space for the graph."""
_REMEDY = "Remove onnx from `export:`, and `runtime: onnxruntime` from `objectives:`."


def write_onnx(network: nn.Module, example: Tensor, path: Path, *, opset: int | None = None) -> None:
    """Write a network with one input and one output tensor as ONNX. The file accepts batches of any size.

    An ONNX file holds at most 2 GB. Larger weights are written to a second file.

    Args:
        network: The network, in eval mode.
        example: Two or more inputs [N, …] on the network's device.
        path: The file to write.
        opset: Version of the ONNX operators. If it is None, PyTorch chooses it.

    Raises:
        RunError: The network cannot be converted (to this opset), or the written file is not valid ONNX.
    """
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                verbose=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=opset,
            )
    except torch.onnx.OnnxExporterError as error:
        raise RunError(f"The network cannot be converted to ONNX: {_reason(error)}", remedy=_REMEDY) from error
    assert program is not None
    ClearMetadataAndDocStringPass()(program.model)  # removes stack traces, which contain paths of this machine
    written = program.model.opset_imports[""]
    if opset is not None and written != opset:
        raise RunError(
            f"The network cannot be converted to opset {opset}: PyTorch wrote opset {written}.",
            remedy=f"Use `opset: {written}`, or remove `opset`.",
        )
    weights = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    program.save(path, external_data=weights > PROTOBUF_LIMIT)
    try:
        onnx.checker.check_model(path, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise RunError(f"{path.name} is not valid ONNX: {error}", remedy=_REMEDY) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the log lines and warnings of PyTorch's exporter. Its errors are still raised."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


def _reason(error: BaseException) -> str:
    """Return the original error on one line. PyTorch wraps it in other errors with long texts."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Open an ONNX file in onnxruntime, on the CPU, with as many threads as torch uses.

    Raises:
        RunError: onnxruntime cannot run the file.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # onnxruntime raises errors, so that they need not be printed too
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle sessions must not use the cores
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base class
        raise RunError(
            f"onnxruntime {onnxruntime.__version__} cannot run {path.name}: {error}",
            remedy="Install a newer onnxruntime, or give the exporter a lower `opset`.",
        ) from error


def run(session: onnxruntime.InferenceSession, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run the network on a batch [N, …] and return its outputs.

    Raises:
        RunError: onnxruntime fails.
    """
    try:
        (outputs,) = session.run(None, {INPUT: inputs})
    except Exception as error:
        raise RunError(f"onnxruntime fails on a batch of {len(inputs)}: {error}", remedy=_REMEDY) from error
    return outputs  # type: ignore[no-any-return]
