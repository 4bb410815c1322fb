"""Checks of data, weights, network, split points and targets that run before all stages."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from loguru import logger

from emopms.engine.images.image_counts import few_left, image_counts
from emopms.engine.models.network_checks import require_usable
from emopms.engine.models.weights import weights_fingerprint
from emopms.engine.session.context import Context
from emopms.engine.session.layer_table import LayerTable
from emopms.engine.session.networks import (
    divide_as_specified,
    encoding_for,
    example_images,
    fresh_network,
    given_network,
    limits_of,
)
from emopms.engine.session.partition_summary import PartSummary, Size, size_of, summarise_parts
from emopms.engine.support.component_calls import guarded_call
from emopms.errors import DataError, NetworkError, Problem, SpecError, WeightsError
from emopms.network.channels.limits import NO_LIMITS, LimitsError
from emopms.network.costs.cost_model import count
from emopms.network.graph.fingerprint import graph_fingerprint
from emopms.network.partition.divide import SplitPointError, require_same_function
from emopms.network.partition.divided_network import NoBoundaryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor, nn

    from emopms.api import Folder, Source
    from emopms.engine.support.progress import Progress
    from emopms.network.channels.encoding import Encoding
    from emopms.network.partition.divided_network import DividedNetwork
    from emopms.network.runtime.device import Device
    from emopms.spec import Spec


@dataclass(frozen=True)
class Prepared:
    """The result of the checks of a spec that fits its data and its network."""

    context: Context
    """The context that all stages receive."""
    fingerprint: str
    """Hash of the data, of the weights, and of code that the backbone's settings name."""
    weights: Mapping[str, str] | None
    """Path (``file``) and SHA-256 (``sha256``) of the file of given weights; None without one."""
    parts: tuple[PartSummary, ...]
    """The summary of each search."""
    layers: LayerTable
    """The layers of the network."""
    dense: Size
    """The size of the dense network."""
    least: Size
    """The size of the network if every channel group keeps as few channels as it can."""
    least_without_limits: Size
    """The same size if the spec had none of the settings ``keep``, ``min_channels`` and ``max_ratio``."""

    @property
    def floor(self) -> dict[str, float]:
        """Shares of the MACs and of the parameters of the dense network that remain after maximum pruning."""
        return _shares(self.least, self.dense)

    @property
    def floor_without_limits(self) -> dict[str, float]:
        """The same shares if the spec had none of the settings ``keep``, ``min_channels`` and ``max_ratio``."""
        return _shares(self.least_without_limits, self.dense)


def prepare(spec: Spec, *, folder: Folder, device: Device, progress: Progress) -> Prepared:
    """Check whether a spec fits its data and its network. `require_reachable_targets` checks the targets.

    Raises:
        SpecError: A split point does not exist, or a setting does not fit the data.
        DataError: The data are missing, damaged or unusable.
        WeightsError: The weights file cannot be read, or does not fit the network.
        NetworkError: The network cannot be pruned.
    """
    with _located(spec, "data"), guarded_call(spec.data, "open its files"):
        source = spec.data.open(folder)
    _check_data(spec, source)
    if not source.labelled:
        _check_teacher(spec)
    with _located(spec, "backbone", "weights"):
        network = given_network(spec, source, folder)
    example = example_images(source)
    require_usable(network, lambda: fresh_network(spec, source, seeded=False), example)
    fingerprint = source.fingerprint
    if code := spec.backbone.fingerprint():
        fingerprint += "+" + code
    weights = None
    if spec.backbone.weights is not None:
        path = folder.find(spec.backbone.weights, what="weights file")
        weights = {"file": str(path.absolute()), "sha256": weights_fingerprint(path)}
        fingerprint += "+" + weights["sha256"]
    with guarded_call(spec.split, "find split points"):
        points = spec.split.find(network, example, prune_residual=spec.genome.prune_residual, limits=limits_of(spec))
    try:
        parts = divide_as_specified(network, points, example, spec)
    except SplitPointError as error:
        written = ("split", "points", error.index) if hasattr(spec.split, "points") else ("split",)
        raise spec.problem(written, error.message, error.remedy) from error
    except NoBoundaryError as error:
        raise spec.problem(("genome", "prune_boundaries"), error.message, error.remedy) from error
    except LimitsError as error:
        raise spec.problem(("genome", *error.keys), error.message, error.remedy) from error
    require_same_function(network, [sub.module for sub in parts.parts], points, example)
    _check_scores(parts.parts[-1].output_shape, spec, source)
    if spec.backbone.names_code or not type(spec.backbone).__module__.startswith("emopms."):
        # The code of such a backbone may use more files than the fingerprint covers, so the traced graph counts too.
        # So do the values of its tensors, unless each build draws others whatever the seed is.
        values = spec.backbone.has_weights or _equal_states(network, fresh_network(spec, source))
        fingerprint += "+" + graph_fingerprint(network, [sub.module for sub in parts.parts], values=values)
    device = device.fitted(network, example)
    context = Context(spec=spec, folder=folder, source=source, device=device, progress=progress, split_points=points)
    encodings = [encoding_for(sub, spec) for sub in parts.searched]
    least = _least(parts, encodings)
    dense = size_of(parts.costs, np.concatenate([sub.dense for sub in parts.searched]))
    _check_costs(network, example, dense)
    least_without_limits = least
    if limits_of(spec) != NO_LIMITS:
        free = divide_as_specified(network, points, example, spec, limits=NO_LIMITS)
        least_without_limits = _least(free, [encoding_for(sub, spec) for sub in free.searched])
    return Prepared(
        context,
        fingerprint,
        weights,
        summarise_parts(parts, encodings),
        LayerTable(parts),
        dense=dense,
        least=least,
        least_without_limits=least_without_limits,
    )


@contextmanager
def _located(spec: Spec, *path: str) -> Iterator[None]:
    """Name the key of the spec, with its file and line, in errors about data or weights."""
    try:
        yield
    except (DataError, WeightsError) as error:
        (problem,) = spec.problem(path, error.message).problems
        raise type(error)(str(problem), remedy=error.remedy) from error


def _least(divided: DividedNetwork, encodings: Sequence[Encoding]) -> Size:
    """Return the size of the network if every channel group keeps as few channels as it can."""
    return size_of(divided.costs, np.concatenate([encoding.least for encoding in encodings]))


def _shares(size: Size, dense: Size) -> dict[str, float]:
    return {cost: getattr(size, cost) / getattr(dense, cost) for cost in ("macs", "params")}


def _equal_states(one: nn.Module, other: nn.Module) -> bool:
    """Return whether two networks have equal tensors under equal names."""
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(tensor, states[1][name]) for name, tensor in states[0].items()
    )


def require_reachable_targets(
    spec: Spec, dense: Size, floor: Mapping[str, float], floor_without_limits: Mapping[str, float]
) -> None:
    """Refuse targets that ask for less than the costs that remain after maximum pruning.

    Args:
        spec: The spec.
        dense: The size of the dense network.
        floor: See `Prepared.floor`.
        floor_without_limits: See `Prepared.floor_without_limits`.

    Raises:
        SpecError: A target cannot be reached. The error lists each cost bound that is too low.
    """
    set_limits = ", ".join(f"`{name}`" for name in spec.genome.model_dump() if name in spec.genome.added)
    problems: list[Problem] = []
    for index, target in enumerate(spec.targets):
        for cost, share in target.counted_shares(asdict(dense)).items():
            if share >= floor[cost]:
                continue
            message = f"cannot be met: {floor[cost]:.5f} of the {cost} remain whatever is pruned."
            remedy = "Raise the target, or choose fewer or other split points: what crosses a split keeps its width."
            if floor_without_limits[cost] <= share:
                message = f"cannot be met: with {set_limits} under `genome`, {floor[cost]:.5f} of the {cost} remain."
                remedy = (
                    f"Raise the target, or loosen the limits: without them, {floor_without_limits[cost]:.5f} remain."
                )
            problems += spec.problem(("targets", index, cost), message, remedy).problems
    if problems:
        raise SpecError(problems)


def _check_costs(network: nn.Module, example: Tensor, predicted: Size) -> None:
    """Refuse a network if its counted MACs and parameters differ from those that its traced forward pass predicts.

    Raises:
        NetworkError: The counted costs differ from the predicted costs. Layers inside layers are a possible cause.
    """
    counted = count(network, example)
    if (counted.macs, counted.params) != (predicted.macs, predicted.params):
        raise NetworkError(
            f"{type(network).__name__} has {counted.macs:,} MACs and {counted.params:,} parameters; what its forward "
            f"shows accounts for {predicted.macs:,} and {predicted.params:,}.",
            remedy="Look for layers inside layers, as in nn.TransformerEncoder: call them one by one instead.",
        )


def _check_scores(shape: tuple[int, ...], spec: Spec, source: Source) -> None:
    """Refuse a network that does not give one score for each class.

    Args:
        shape: Shape of the network's output for one image, such as [10] for ten classes.
        spec: The spec.
        source: The opened data.

    Raises:
        NetworkError: The output of the network is not one score for each class of the data.
    """
    if shape != (len(source.classes),):
        raise NetworkError(
            f"For one image the backbone {spec.backbone.name!r} gives a tensor of shape {list(shape)}; "
            f"the data have {len(source.classes)} classes.",
            remedy=f"It must give one score for each class: [{len(source.classes)}].",
        )


def _check_teacher(spec: Spec) -> None:
    """For unlabelled data, refuse a spec without weights or with pre-training. The dense network gives the labels.

    Raises:
        SpecError: The spec names no weights, or asks for epochs of pre-training.
    """
    if not spec.backbone.has_weights:
        raise spec.problem(
            ("backbone",),
            f"has no weights, and the data {spec.data.name!r} have no labels: nothing says what is in the images",
            "Name the weights of a trained network: `backbone: {…, weights: FILE}`.",
        )
    if spec.pretrain.epochs:
        raise spec.problem(
            ("pretrain", "epochs"),
            f"the data {spec.data.name!r} have no labels to train on for {spec.pretrain.epochs} epochs",
            "Take the weights as they are: `pretrain: {epochs: 0}`.",
        )


def _check_data(spec: Spec, source: Source) -> None:
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
    data = spec.data
    if data.held_out_of(source) > source.train_size - 2:  # training with batch norm needs two images
        raise spec.problem(
            ("data", "calibration"),
            f"{data.calibration} calibration images, as many to rank with and {data.validation} validation images "
            f"leave nothing to train on of {source.train_size} training images",
            "Lower `calibration` and `validation` under `data:`.",
        )
    if warning := few_left(image_counts(data, source), source):
        logger.warning("{}", warning)
