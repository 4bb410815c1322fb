"""Builds candidates as physically smaller modules and prepares their forward passes. It imports torch."""

from __future__ import annotations

import copy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch

from emopms.network import fit_to, pruned_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from emopms.api import Task
    from emopms.network import Channels

    Pass = Callable[[], object]
    """One forward pass. It is complete when the call returns."""


def by_widths(genomes: NDArray[np.bool_], channels: Channels) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Group genomes [n, genes]. Genomes whose pruned tensors have equal shapes are in one group.

    Returns:
        The index of one genome of each group [g], and the group of each genome [n].
    """
    stays = np.column_stack([genomes, np.ones(len(genomes), dtype=np.bool_)])  # index -1: channels that are always kept
    dimensions = {genes.tobytes(): genes for dims in channels.dims.values() for genes in dims.values()}
    widths = np.column_stack([np.count_nonzero(stays[:, genes], axis=1) for genes in dimensions.values()])
    _, first, which = np.unique(widths, axis=0, return_index=True, return_inverse=True)
    return first, which


def torch_pass(task: Task, genome: NDArray[np.bool_], batch_size: int) -> Pass:
    """Return a forward pass in eager PyTorch, on the task's device and in its memory layout."""
    module = task.device.place(_cut(task, genome))
    inputs = _inputs(task, batch_size)
    if inputs.dim() == 4:
        inputs = task.device.images(inputs)

    @torch.inference_mode()
    def run() -> None:
        module(inputs)
        if inputs.is_cuda:
            torch.cuda.synchronize()  # otherwise the call would return before the GPU has finished

    return run


def onnxruntime_pass(task: Task, genome: NDArray[np.bool_], batch_size: int) -> Pass:
    """Return a forward pass in onnxruntime on the CPU.

    Raises:
        RunError: The sub-network cannot be converted to ONNX.
    """
    from emopms_onnx.conversion import open_session, run, write_onnx

    module = _cut(task, genome).cpu()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.onnx"
        write_onnx(module, _inputs(task, 2).cpu(), path)
        session = open_session(path)
    inputs = _inputs(task, batch_size).contiguous().cpu().numpy()
    return lambda: run(session, inputs)


def _cut(task: Task, genome: NDArray[np.bool_]) -> nn.Module:
    """Return a copy of the sub-network in eval mode, without the channels that the genome drops."""
    module = copy.deepcopy(task.subnetwork.module)
    fit_to(module, pruned_state(module, [(task.subnetwork.channels, genome)]))
    return module.eval().requires_grad_(False)


def _inputs(task: Task, count: int) -> Tensor:
    """Return ``count`` calibration inputs in fp32. If there are fewer, inputs are repeated."""
    rows = torch.arange(count, device=task.inputs.device) % len(task.inputs)
    return task.inputs[rows].float()
