"""Which way of running candidates suits a sub-network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from emopms.network.criteria import distance
from emopms.network.inference.evaluator import Evaluator
from emopms.network.runtime.free_memory import out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

    from emopms.network.inference.activation_cache import ActivationCache
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.network.runtime.device import Device

_FAR = 0.01
"""How far, ‖g − f‖² / ‖f‖², eight bits may be from what the dense sub-network makes in floating point: much less than
what tells one candidate from another."""


def choose_evaluator(
    subnetwork: SubNetwork, inputs: Tensor, device: Device, kept: ActivationCache, *, batch_statistics: bool, int8: bool
) -> tuple[Evaluator, str]:
    """What runs candidates on these inputs, and why it does it so.

    In eight bits where the processor multiplies those natively, batch norm is re-estimated, the graph has convolutions
    that allow it, and the dense sub-network hardly notices; otherwise in the numbers of the device. Nothing is timed:
    the same choice is made on every run.

    Args:
        inputs: All that enter the sub-network [N, …].
        int8: Whether they may be used at all.
    """

    def plain(why: str) -> tuple[Evaluator, str]:
        found = Evaluator(subnetwork, batch_statistics=batch_statistics, kept=kept)
        return found, f"in {'bf16' if device.bf16 else 'fp32'}: {why}"

    if not device.int8:
        return plain("this device has no faster numbers for it")
    if not int8 or not batch_statistics:
        return plain("an objective asks for it")
    try:
        rounded = Evaluator(subnetwork, kept=kept, int8=inputs)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        return plain("there is no memory to measure the scales of eight bits")
    if not rounded.rounded:
        return plain("no convolution can take eight bits")
    assert rounded.dense is not None
    with torch.inference_mode(), device.autocast():
        found = rounded(inputs[: len(rounded.dense)], subnetwork.dense)
        change = float(distance(found.float(), rounded.dense))
    if not change <= _FAR:
        return plain(f"eight bits are too few (they change the dense output by {change:.1%})")
    how = f"with {rounded.rounded} convolutions in eight bits (they change the dense output by {change:.2%})"
    return rounded, how
