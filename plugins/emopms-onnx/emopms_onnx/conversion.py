"""From PyTorch to an ONNX file, and the file in onnxruntime. Loads torch, onnx and onnxruntime."""

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
"""Bytes of weights that one file holds: 2 GB, less room for the graph."""
_REMEDY = "Leave onnx out of `export:`, and `runtime: onnxruntime` out of `objectives:`."


def write_onnx(network: nn.Module, example: Tensor, path: Path, *, opset: int | None = None) -> None:
    """Write a network of one tensor in, one tensor out, as ONNX; the batch size stays free.

    Beyond 2 GB, more than one ONNX file may hold, the weights go into a file beside it.

    Args:
        network: In eval mode.
        example: Two or more inputs [N, …] on the network's device.
        opset: Version of the ONNX operators; None takes PyTorch's choice.

    Raises:
        RunError: The network cannot be converted, or not to this opset, or what was written is not valid ONNX.
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
    ClearMetadataAndDocStringPass()(program.model)  # each node's stack trace, with the paths of this machine
    written = program.model.opset_imports[""]
    if opset is not None and written != opset:
        raise RunError(
            f"The network cannot be converted to opset {opset}: it came out in opset {written}.",
            remedy=f"Use `opset: {written}`, or leave it out.",
        )
    weights = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    program.save(path, external_data=weights > PROTOBUF_LIMIT)
    try:
        onnx.checker.check_model(path, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise RunError(f"{path.name} is not valid ONNX: {error}", remedy=_REMEDY) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's chatter off the terminal: what could go wrong is raised, or checked afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


def _reason(error: BaseException) -> str:
    """What went wrong first, in one line; PyTorch wraps it in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Open an ONNX file in onnxruntime, on the CPU, with as many threads as torch uses.

    Raises:
        RunError: onnxruntime cannot run it.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; it need not be printed, too
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle sessions leave the cores alone
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise RunError(
            f"onnxruntime {onnxruntime.__version__} cannot run {path.name}: {error}",
            remedy="Install a newer onnxruntime, or give the exporter a lower `opset`.",
        ) from error


def run(session: onnxruntime.InferenceSession, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network makes of a batch [N, …].

    Raises:
        RunError: onnxruntime fails.
    """
    try:
        (outputs,) = session.run(None, {INPUT: inputs})
    except Exception as error:
        raise RunError(f"onnxruntime fails on a batch of {len(inputs)}: {error}", remedy=_REMEDY) from error
    return outputs  # type: ignore[no-any-return]
