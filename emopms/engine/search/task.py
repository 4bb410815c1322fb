"""The search task of a sub-network: its input features, its output features without pruning, and its selector
criterion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from emopms.api import Task
from emopms.engine.session.scoring import BATCH
from emopms.network.inference.evaluator import dense_tail
from emopms.network.runtime.free_memory import split_on_oom
from emopms.network.runtime.row_buffer import RowBuffer, allocate_or_spill

if TYPE_CHECKING:
    from torch import Tensor, nn

    from emopms.engine.images.image_sets import ImageSet
    from emopms.network.partition.divided_network import DividedNetwork
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.network.runtime.device import Device


def make_task(
    images: ImageSet,
    divided: DividedNetwork,
    sub: SubNetwork,
    criteria: nn.ModuleList,
    device: Device,
    *,
    entering_features: Tensor | None = None,
) -> Task:
    """Return the search task of one sub-network.

    The features of the task are computed once. They stay on the device if the device has enough memory.

    Args:
        images: The calibration images.
        divided: The divided network.
        sub: One of ``divided.searched``.
        criteria: One selector criterion for each sub-network. The search of the boundaries (the channels that cross
            split points) uses the last criterion.
        device: The device.
        entering_features: The input features [N, …] of the sub-network, if they are known. They equal the output
            features of the preceding sub-network without pruning.
    """
    before, behind = (divided.parts[: sub.index], divided.parts[sub.index + 1 :]) if sub in divided.parts else ([], [])
    inputs, references = (RowBuffer(len(images), allocate_or_spill) for _ in range(2))
    labels, start = [], 0
    with torch.inference_mode(), device.autocast():
        for pixels, classes in images.batches(BATCH):
            features, rows = pixels, slice(start, start := start + len(pixels))
            if entering_features is not None:
                features = entering_features[rows].to(pixels.device)
            else:
                for part in before:
                    features = split_on_oom(part.forward, features)
                features = inputs.add(features, rows)
            references.add(split_on_oom(sub.forward, features), rows)
            labels.append(classes)
    entering = inputs.tensor if entering_features is None else entering_features
    assert entering is not None
    assert references.tensor is not None
    return Task(
        subnetwork=sub,
        inputs=entering,
        references=references.tensor,
        labels=torch.cat(labels),
        criterion=criteria[-1] if sub.is_last else criteria[sub.index],
        device=device,
        tail=dense_tail(behind),
    )
