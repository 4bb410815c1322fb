"""Candidates as real, physically smaller modules, ready for a forward pass. Loads torch."""

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
    """One forward pass; it has ended when the call returns."""


def by_widths(genomes: NDArray[np.bool_], channels: Channels) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Group genomes [n, genes] whose pruned tensors have the same shapes.

    Returns:
        Index of one genome of each group [g], and each genome's group [n].
    """
    stays = np.column_stack([genomes, np.ones(len(genomes), dtype=np.bool_)])  # gene -1, "always stays"
    dimensions = {genes.tobytes(): genes for dims in channels.dims.values() for genes in dims.values()}
    widths = np.column_stack([np.count_nonzero(stays[:, genes], axis=1) for genes in dimensions.values()])
    _, first, which = np.unique(widths, axis=0, return_index=True, return_inverse=True)
    return first, which


def torch_pass(task: Task, genome: NDArray[np.bool_], batch_size: int) -> Pass:
    """A pass in eager PyTorch, on the task's device and in its memory layout."""
    module = task.device.place(_cut(task, genome))
    inputs = _inputs(task, batch_size)
    if inputs.dim() == 4:
        inputs = task.device.images(inputs)

    @torch.inference_mode()
    def run() -> None:
        module(inputs)
        if inputs.is_cuda:
            torch.cuda.synchronize()  # the call itself returns as soon as the work is queued

    return run


def onnxruntime_pass(task: Task, genome: NDArray[np.bool_], batch_size: int) -> Pass:
    """A pass in onnxruntime, on the CPU.

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
    """A copy of the sub-network without the channels that the genome drops, in eval mode."""
    module = copy.deepcopy(task.subnetwork.module)
    fit_to(module, pruned_state(module, [(task.subnetwork.channels, genome)]))
    return module.eval().requires_grad_(False)


def _inputs(task: Task, count: int) -> Tensor:
    """That many kept inputs, from the first on again where there are fewer; fp32, which autocast may have left."""
    rows = torch.arange(count, device=task.inputs.device) % len(task.inputs)
    return task.inputs[rows].float()
