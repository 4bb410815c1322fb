"""Chooses between int8 and floating point for the runs of pruned sub-networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from emopms.network.criteria import distance
from emopms.network.inference.evaluator import Evaluator
from emopms.network.runtime.free_memory import out_of_memory
from emopms.network.runtime.kernels import has_int8_convolution

if TYPE_CHECKING:
    from torch import Tensor

    from emopms.network.inference.activation_cache import ActivationCache
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.network.runtime.device import Device

MAX_INT8_RELATIVE_ERROR = 0.01
"""Largest error with which int8 is still used. The error is ‖g − f‖² / ‖f‖², where g is the dense sub-network's output
in int8 and f is its output in floating point. Outputs of different candidates differ by much more."""


def choose_evaluator(
    subnetwork: SubNetwork,
    inputs: Tensor,
    device: Device,
    cache: ActivationCache,
    *,
    batch_statistics: bool,
    int8: bool,
) -> tuple[Evaluator, str]:
    """Make the evaluator with the number format that suits a sub-network, and describe the format.

    The evaluator uses int8 if all these conditions hold: ``int8`` is set, the processor has instructions for int8
    products, batch norm is re-estimated, the graph has convolutions that can be quantised, and int8 changes the dense
    sub-network's output by at most `MAX_INT8_RELATIVE_ERROR`. Otherwise it uses the device's floating-point format. The
    choice does not depend on measured times, so that every run makes the same choice.

    Args:
        subnetwork: The sub-network.
        inputs: All inputs of the sub-network [N, …].
        device: The device.
        cache: The cache of activations for the evaluator.
        batch_statistics: Whether batch norm is re-estimated on each batch. Otherwise the dense network's running
            statistics are used.
        int8: Whether int8 may be used.

    Returns:
        The evaluator, and a description of its number format with the reason, such as ``in bf16: …``.
    """

    def in_floating_point(reason: str) -> tuple[Evaluator, str]:
        evaluator = Evaluator(subnetwork, batch_statistics=batch_statistics, cache=cache)
        return evaluator, f"in {'bf16' if device.bf16 else 'fp32'}: {reason}"

    if not device.int8:
        return in_floating_point("this device has no fast int8")
    if not int8 or not batch_statistics:
        return in_floating_point("an objective asks for it")
    if not has_int8_convolution():
        return in_floating_point("this PyTorch has no working int8 convolution")
    try:
        quantized = Evaluator(subnetwork, cache=cache, int8_calibration=inputs)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        return in_floating_point("there is not enough memory to calibrate int8")
    if not quantized.int8_convolutions:
        return in_floating_point("no convolution can be quantised to int8")
    assert quantized.dense_outputs is not None
    with torch.inference_mode(), device.autocast():
        outputs = quantized.run(inputs[: len(quantized.dense_outputs)], subnetwork.dense)
        change = float(distance(outputs.float(), quantized.dense_outputs))
    if not change <= MAX_INT8_RELATIVE_ERROR:
        return in_floating_point(f"int8 is not precise enough (it changes the dense output by {change:.1%})")
    count = quantized.int8_convolutions
    return quantized, f"in int8: {count} convolutions (they change the dense output by {change:.2%})"
