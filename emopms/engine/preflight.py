"""Everything that can be found wrong before anything runs: data, weights, split points, targets."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from emopms.engine.context import Context, example_of, fresh_network
from emopms.engine.weights import load_weights
from emopms.errors import DataError
from emopms.network.division import SplitPointError
from emopms.network.subnetwork import subnetworks_of

if TYPE_CHECKING:
    from emopms.api import Folder
    from emopms.engine.progress import Progress
    from emopms.network.device import Device
    from emopms.network.subnetwork import SubNetwork
    from emopms.spec import Spec


def prepare(spec: Spec, *, folder: Folder, device: Device, progress: Progress) -> tuple[Context, str]:
    """Check a spec against its data and network.

    Returns:
        The context for the stages, and the fingerprint of data and weights.

    Raises:
        SpecError: A split point does not exist, a target is out of reach, a setting does not fit the data.
        DataError, WeightsError, NetworkError: See there.
    """
    source = spec.data.open(folder)
    for field in ("mean", "std"):
        given = len(getattr(spec.data, field))
        if given not in (1, source.shape[0]):
            raise spec.problem(
                ("data", field),
                f"{given} values for images of {source.shape[0]} channels",
                "Give one a channel, or one.",
            )
    if len(source.classes) < 2:
        raise DataError(
            f"The data have one class only, {source.classes[0]!r}: there is nothing to tell apart.",
            remedy="Name a folder or file with images of at least two classes.",
        )
    network = fresh_network(spec, source)
    example = example_of(source)
    fingerprint = source.fingerprint
    if spec.backbone.weights is not None:
        path = folder.find(spec.backbone.weights, what="weights file")
        load_weights(network, path)
        fingerprint += "+" + hashlib.sha256(path.read_bytes()).hexdigest()
    points = spec.split.find(network, example)
    try:
        subnetworks = subnetworks_of(network, points, example)
    except SplitPointError as error:
        raise spec.problem(("split", "points", error.index), error.message, error.remedy) from error
    _check_targets(spec, subnetworks)
    device = device.fitted(network, example)
    context = Context(spec=spec, folder=folder, source=source, device=device, progress=progress, points=points)
    return context, fingerprint


def _check_targets(spec: Spec, subnetworks: list[SubNetwork]) -> None:
    """Refuse a target below what remains when every group keeps one channel."""
    least, dense = {"macs": 0, "params": 0}, {"macs": 0, "params": 0}
    for sub in subnetworks:
        nothing = np.zeros((1, sub.channels.genes), dtype=np.bool_)
        smallest = sub.repair(nothing, np.zeros(sub.channels.genes))
        for genomes, total in ((smallest, least), (sub.dense[None, :], dense)):
            total["macs"] += int(sub.costs.macs(genomes)[0])
            total["params"] += int(sub.costs.params(genomes)[0])
    for index, target in enumerate(spec.targets):
        for cost, floor in least.items():
            bound = getattr(target, cost)
            if bound is not None and bound < floor / dense[cost]:
                raise spec.problem(
                    ("targets", index, cost),
                    f"cannot be met: {floor / dense[cost]:.3f} of the {cost} remain whatever is pruned",
                    "Raise the target, or choose fewer or other split points: what crosses a split keeps its width.",
                )
