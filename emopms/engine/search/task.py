"""What a search works on: features that enter a sub-network, what it should make of them, and who judges it."""

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

    from emopms.engine.session.data import ImageSet
    from emopms.network.partition.partitioned import DividedNetwork
    from emopms.network.partition.subnetwork import SubNetwork
    from emopms.network.runtime.device import Device


def make_task(
    images: ImageSet,
    divided: DividedNetwork,
    sub: SubNetwork,
    criteria: nn.ModuleList,
    device: Device,
    *,
    handed_on: Tensor | None = None,
) -> Task:
    """The search task of one of those searched: its features of calibration images, computed once and kept on the
    device.

    Args:
        judges: One a part; boundaries are judged as the last part is.
        handed_on: What enters it, where that is known: the references of the task of the part before it.
    """
    before, behind = (divided.parts[: sub.index], divided.parts[sub.index + 1 :]) if sub in divided.parts else ([], [])
    inputs, references = (RowBuffer(len(images), allocate_or_spill) for _ in range(2))
    labels, start = [], 0
    with torch.inference_mode(), device.autocast():
        for pixels, classes in images.batches(BATCH):
            features, rows = pixels, slice(start, start := start + len(pixels))
            if handed_on is not None:
                features = handed_on[rows].to(pixels.device)
            else:
                for part in before:
                    features = split_on_oom(part.forward, features)
                features = inputs.add(features, rows)
            references.add(split_on_oom(sub.forward, features), rows)
            labels.append(classes)
    entering = inputs.tensor if handed_on is None else handed_on
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
