"""Tests one network for the compatibility table.

``python -m benchmarks.compatibility.row NAME FILE`` writes the row to FILE as JSON. It writes it before each step, so
that the file shows the last step if the process is ended.
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
from emopms.network.channels.labels import channels_of
from emopms.network.channels.surgery import fit_to
from emopms.network.costs.cost_model import count
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
"""Largest number of sub-networks, and the share of the dense MACs to prune to."""
ROUNDING = {torch.float32: 1e-4, torch.float64: 1e-9}
"""Largest allowed difference of scores, relative to the largest score."""
BATCHES = (1, 16)
"""Images per timed forward pass."""
TIMING_S = 2.0
"""Approximate total time of the passes of one batch size."""
EXPORTERS = (Safetensors(), Pt2(), Onnx())


class WrongError(Exception):
    """A wrong result, as opposed to a refusal."""


def examine(network: Network, note: Callable[[Row], None] = lambda row: None) -> Row:
    """Run all tests on one network.

    Args:
        network: The network.
        note: Function that is called with the unfinished row before each step.

    Returns:
        A mapping whose ``result`` is *pruned*, *refused* or *wrong*. The last two come with a ``reason``.
    """
    row: Row = {"name": network.name, "backbone": network.backbone, "size": network.size}
    try:
        _steps(network, row, note)
    except NetworkError as error:
        row |= {"result": "refused", "reason": error.message}
    except Exception as error:  # any other error is wrong: a network must be pruned or refused
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
    """Count the MACs for one image with both counters, and the MACs that only PyTorch counts."""
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
    """Find split points for as many sub-networks of even cost as possible, up to `PARTS`, and why not more.

    It also checks that the composed parts give the network's outputs.
    """
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
        errors[dtype] = _check_difference("the composed parts and the network", found, expected)
    _require(errors[torch.float64] == 0, f"in fp64, the composed parts are {errors[torch.float64]:.1g} off the network")
    if reasons:
        largest = max((channels_of(part).layers for part in divided), key=len)
        reasons[1:] = _refusal(dense, largest[len(largest) // 2].name, images)
    return {"points": points, "not_more_parts": " ".join(reasons), "composition": errors[torch.float32]}


def _refusal(dense: nn.Module, point: str, images: Tensor) -> list[str]:
    """Return the error of a split in the middle of the longest part, if it names a tensor that crosses the split."""
    try:
        divide(dense, [point], images)
    except NetworkError as error:
        if "crosses" in error.message:
            return [f"Behind {point!r}: {error.message}"]
    return []


def halved(dense: nn.Module, points: Sequence[str], images: Tensor) -> tuple[Scheme, bool]:
    """Prune to `TARGET` of the MACs. Return the scheme, and whether residual streams had to be opened for it."""
    try:
        return pruned_to(TARGET, dense, points, images, prune_residual=False), False
    except NetworkError:
        return pruned_to(TARGET, dense, points, images, prune_residual=True), True


def surgery(dense: nn.Module, pruned: nn.Module, scheme: Scheme, images: Tensor) -> Row:
    """Check that the pruned network has the outputs of its candidate and the predicted costs."""
    with torch.inference_mode():
        before, after, evaluated = dense(images), pruned(images), images
        error = _check_difference("the sliced and the pruned network", scheme.forward(images), after)
        for sub, genome in zip(scheme.subnetworks, scheme.genomes, strict=True):
            evaluated = Evaluator(sub, batch_statistics=False).run(evaluated, genome)
        _check_difference("the evaluated and the pruned network", evaluated, after)
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
    """Check surgery in fp64, and compare with the dense network with zeros for dropped channels.

    Returns:
        The difference from the network with zeros. None if a layer normalises over pruned channels, because then the
        outputs may differ.
    """
    dense, images = copy.deepcopy(dense).double(), images.double()
    subnetworks = subnetworks_of(dense, row["points"], images, prune_residual=row["prune_residual"])
    scheme = Scheme(subnetworks, genomes)
    with torch.inference_mode():
        pruned = scheme.cut(dense)(images)
        _check_difference("the sliced and the pruned network", scheme.forward(images), pruned)
        masked = scheme.masked(dense)(images)
        if scheme.normalises_over_pruned(dense):
            return None
        return _check_difference("the masked and the pruned network", masked, pruned)


def training(dense: nn.Module, pruned: nn.Module, images: Tensor, classes: int) -> Row:
    """Check that a backward pass reaches every parameter that the dense network uses."""
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
    """Export the network, read the file back and run it on other images."""
    others = network.images(3, SEED + 1)
    with TemporaryDirectory() as folder:
        try:
            exporter.export(PrunedModel(pruned, images, {}), Path(folder))
        except RunError as error:
            _require("other outputs" not in error.message, error.message)
            return {"refused": error.message}
        read = READERS[exporter.name](Path(folder) / f"model.{exporter.name}", network)
        with torch.inference_mode():
            return {"error": _check_difference(f"{exporter.name} and the pruned network", read(others), pruned(others))}


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
    """Return the median milliseconds of a forward pass before and after pruning, by number of images."""
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


def _check_difference(which: str, found: Tensor, expected: Tensor) -> float:
    """Return the largest difference of scores, relative to the largest score.

    Raises:
        WrongError: The difference exceeds `ROUNDING`, or the shapes differ.
    """
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

    warnings.simplefilter("ignore")  # problems are reported in the row
    note(examine(network, note))


if __name__ == "__main__":
    main(*sys.argv[1:])
