"""One row of the compatibility table: all that is done with one network.

``python -m benchmarks.compatibility.row NAME FILE`` writes it to FILE, as JSON and before each step, so that whoever
ends the process sees how far it came.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from emopms_onnx.conversion import open_session, run
from emopms_onnx.exporter import Onnx
from emopms_onnx.timing import median_times
from safetensors.torch import load_file

from benchmarks.compatibility.counter import counted
from benchmarks.compatibility.networks import NETWORKS, SEED, Network
from benchmarks.compatibility.pruning import Scheme, pruned_to
from emopms.api import PrunedModel
from emopms.builtin.exporter.pt2 import Pt2
from emopms.builtin.exporter.safetensors import Safetensors
from emopms.errors import NetworkError, RunError
from emopms.network.channels.cost import count
from emopms.network.channels.labels import channels_of
from emopms.network.channels.surgery import fit_to
from emopms.network.inference.evaluator import Evaluator
from emopms.network.partition.divide import divide
from emopms.network.partition.split_points import even_points
from emopms.network.partition.subnetwork import subnetworks_of
from emopms.network.runtime.device import Device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from benchmarks.compatibility.pruning import Genomes
    from emopms.api import Exporter

    Row = dict[str, Any]

PARTS, TARGET = 4, 0.5
"""Sub-networks to divide into, where there is room for as many; share of the dense MACs to prune to."""
ROUNDING = {torch.float32: 1e-4, torch.float64: 1e-9}
"""How far scores may be apart, relative to the largest one."""
BATCHES = (1, 16)
"""Images a timed pass."""
TIMING_S = 2.0
"""About how long the timed passes of one batch size take."""
EXPORTERS = (Safetensors(), Pt2(), Onnx())


class WrongError(Exception):
    """A result that must never come: not a refusal, but something that is not what it should be."""


def examine(network: Network, note: Callable[[Row], None] = lambda row: None) -> Row:
    """All that is known of one network.

    Args:
        note: Called with the row as it is before each step.

    Returns:
        A mapping with ``result``: *pruned*, *refused* with a ``reason``, or *wrong* with the same.
    """
    row: Row = {"name": network.name, "backbone": network.backbone, "size": network.size}
    try:
        _steps(network, row, note)
    except NetworkError as error:
        row |= {"result": "refused", "reason": error.message}
    except Exception as error:  # whatever it is: no network may end in anything but a result or a refusal
        row |= {"result": "wrong", "reason": f"{type(error).__name__}: {error}"}
    else:
        row["result"] = "pruned"
        del row["step"]
    return row


def _steps(network: Network, row: Row, note: Callable[[Row], None]) -> None:
    def step(name: str) -> None:
        row["step"] = name
        note(row)

    step("build")
    dense, images = network.build(SEED), network.images(2)
    step("count")
    row |= counts(dense, images)
    step("divide")
    row |= division(dense, images)
    step("prune")
    scheme, row["prune_residual"] = halved(dense, row["points"], images)
    step("surgery")
    pruned = scheme.cut(dense)
    row |= surgery(dense, pruned, scheme, images)
    row["masked"] = surgery_in_fp64(dense, row, scheme.genomes, images)
    step("train")
    row |= training(dense, pruned, network.images(4), network.classes)
    for exporter in EXPORTERS:
        step(f"export {exporter.name}")
        row.setdefault("exports", {})[exporter.name] = exported(exporter, network, pruned, images)
    step("time")
    row["latency"] = latency(dense, pruned, network)


def counts(dense: nn.Module, images: Tensor) -> Row:
    """What the network costs for one image, by two counters, and what makes them differ."""
    ours, theirs = count(dense, images), counted(dense, images)
    _require(ours.macs == theirs.layers, f"{ours.macs} MACs counted, {theirs.layers} by PyTorch")
    return {
        "macs": ours.macs,
        "params": ours.params,
        "uncounted": ours.uncounted,
        "macs_of_functions": theirs.functions,
        "macs_of_products": theirs.products,
    }


def division(dense: nn.Module, images: Tensor) -> Row:
    """Split points for as many sub-networks of even cost as there is room for, up to `PARTS`, and what is in the way
    of more; the parts are checked to compose to the network."""
    points, reasons = [], []
    for parts in range(PARTS, 1, -1):
        try:
            points = even_points(dense, images, parts)
            break
        except NetworkError as error:
            reasons.append(error.message)
    errors = {}
    for dtype in ROUNDING:
        network, found = copy.deepcopy(dense).to(dtype), images.to(dtype)
        divided = divide(network, points, found)
        with torch.inference_mode():
            expected = network(found)
            for part in divided:
                found = part(found)
        errors[dtype] = _apart("the composed parts and the network", found, expected)
    _require(errors[torch.float64] == 0, f"in fp64, the composed parts are {errors[torch.float64]:.1g} off the network")
    if reasons:
        largest = max((channels_of(part).layers for part in divided), key=len)
        reasons[1:] = _refusal(dense, largest[len(largest) // 2].name, images)
    return {"points": points, "not_more_parts": " ".join(reasons), "composition": errors[torch.float32]}


def _refusal(dense: nn.Module, point: str, images: Tensor) -> list[str]:
    """What is said to cross a split in the middle of the longest part, if anything does."""
    try:
        divide(dense, [point], images)
    except NetworkError as error:
        if "crosses" in error.message:
            return [f"Behind {point!r}: {error.message}"]
    return []


def halved(dense: nn.Module, points: Sequence[str], images: Tensor) -> tuple[Scheme, bool]:
    """The network at `TARGET` of its MACs, and whether residual streams had to be opened for that."""
    try:
        return pruned_to(TARGET, dense, points, images, prune_residual=False), False
    except NetworkError:
        return pruned_to(TARGET, dense, points, images, prune_residual=True), True


def surgery(dense: nn.Module, pruned: nn.Module, scheme: Scheme, images: Tensor) -> Row:
    """That the pruned network computes what its candidate did, and costs what was predicted."""
    with torch.inference_mode():
        before, after, evaluated = dense(images), pruned(images), images
        error = _apart("the sliced and the pruned network", scheme.forward(images), after)
        for sub, genome in zip(scheme.subnetworks, scheme.genomes, strict=True):
            evaluated = Evaluator(sub, batch_statistics=False).run(evaluated, genome)
        _apart("the evaluated and the pruned network", evaluated, after)
    ours, theirs = count(pruned, images), counted(pruned, images)
    _require(
        scheme.macs == ours.macs == theirs.layers,
        f"{scheme.macs} MACs predicted, {ours.macs} counted, {theirs.layers} by PyTorch",
    )
    dropped = scheme.dense.params - scheme.params, count(dense, images).params - ours.params
    _require(dropped[0] == dropped[1], f"{dropped[0]} parameters fewer predicted, {dropped[1]} counted")
    effect = _distance(after, before) if after.shape == before.shape else math.inf
    return {"pruned_macs": ours.macs, "pruned_params": ours.params, "surgery": error, "effect": effect}


def surgery_in_fp64(dense: nn.Module, row: Row, genomes: Genomes, images: Tensor) -> float | None:
    """The same where rounding hides nothing, and against the dense network with zeros for what was dropped.

    Returns:
        How far apart these two are; None where they may be, because a layer normalises over channels that are pruned.
    """
    dense, images = copy.deepcopy(dense).double(), images.double()
    subnetworks = subnetworks_of(dense, row["points"], images, prune_residual=row["prune_residual"])
    scheme = Scheme(subnetworks, genomes)
    with torch.inference_mode():
        pruned = scheme.cut(dense)(images)
        _apart("the sliced and the pruned network", scheme.forward(images), pruned)
        masked = scheme.masked(dense)(images)
        if scheme.normalises_over_pruned(dense):
            return None
        return _apart("the masked and the pruned network", masked, pruned)


def training(dense: nn.Module, pruned: nn.Module, images: Tensor, classes: int) -> Row:
    """One backward pass: that it reaches every parameter, but for those that the dense network does not use either."""
    reached = []
    for network in (pruned, dense):
        trained = copy.deepcopy(network).train()
        F.cross_entropy(trained(images), torch.arange(len(images)) % classes).backward()  # type: ignore[no-untyped-call]
        gradients = {name: p.grad for name, p in trained.named_parameters() if p.grad is not None}
        _require(all(bool(gradient.isfinite().all()) for gradient in gradients.values()), "training gives infinities")
        reached.append(set(gradients))
    _require(reached[0] == reached[1], f"training reaches other parameters than before: {reached[0] ^ reached[1]}")
    return {"unused": sorted({name for name, _ in dense.named_parameters()} - reached[1])}


def exported(exporter: Exporter, network: Network, pruned: nn.Module, images: Tensor) -> Row:
    """What one exporter wrote, read back and run on other images than it saw."""
    others = network.images(3, SEED + 1)
    with TemporaryDirectory() as folder:
        try:
            exporter.export(PrunedModel(pruned, images, {}), Path(folder))
        except RunError as error:
            _require("other outputs" not in error.message, error.message)
            return {"refused": error.message}
        read = READERS[exporter.name](Path(folder) / f"model.{exporter.name}", network)
        with torch.inference_mode():
            return {"error": _apart(f"{exporter.name} and the pruned network", read(others), pruned(others))}


def _safetensors(path: Path, network: Network) -> Callable[[Tensor], Tensor]:
    fresh = network.build(SEED + 1)
    fit_to(fresh, load_file(path))
    return fresh


def _pt2(path: Path, _: Network) -> Callable[[Tensor], Tensor]:
    return torch.export.load(path).module()


def _onnx(path: Path, _: Network) -> Callable[[Tensor], Tensor]:
    session = open_session(path)
    return lambda images: torch.from_numpy(run(session, images.numpy()))


READERS = {
    "safetensors": _safetensors,
    "pt2": _pt2,
    "onnx": _onnx,
}


def latency(dense: nn.Module, pruned: nn.Module, network: Network) -> Row:
    """Median milliseconds of a forward pass in eager PyTorch, before and after, by images a pass."""
    device = Device("cpu").fitted(dense, network.images(2))
    networks = [device.place(dense), device.place(pruned)]
    found = {}
    with torch.inference_mode():
        for size in BATCHES:
            images = device.images(network.images(size))
            passes = [partial(net, images) for net in networks]
            began = time.perf_counter()
            for run_once in passes:
                run_once()
            repeats = int(np.clip(TIMING_S / (time.perf_counter() - began), 3, 100))
            found[str(size)] = [round(float(ms), 3) for ms in median_times(passes, repeats)]
    return found


def _apart(which: str, found: Tensor, expected: Tensor) -> float:
    """How far apart scores are, relative to the largest; too far is wrong."""
    _require(
        found.shape == expected.shape, f"{which} give scores of shapes {tuple(found.shape)} and {tuple(expected.shape)}"
    )
    distance = _distance(found, expected)
    _require(distance <= ROUNDING[expected.dtype], f"{which} are {distance:.1g} apart in {expected.dtype}")
    return distance


def _distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise WrongError(otherwise)


def main(name: str, file: str) -> None:
    (network,) = (network for network in NETWORKS if network.name == name)

    def note(row: Row) -> None:
        Path(file).write_text(json.dumps(row))

    warnings.simplefilter("ignore")  # what is wrong is in the row
    note(examine(network, note))


if __name__ == "__main__":
    main(*sys.argv[1:])
