"""``emopms.prune``: runs the whole method on a network and datasets that a Python program holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from emopms.builtin.backbone.in_memory import InMemory
from emopms.builtin.data.datasets import Datasets, Given
from emopms.engine.run import run
from emopms.errors import DataError, NetworkError
from emopms.network.layers.modes import in_eval
from emopms.plugin_file import reason
from emopms.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from emopms.api import ImageDataset
    from emopms.engine.finished.result import Result
    from emopms.engine.support.progress import Progress
    from emopms.spec import Target

_THREE = {"name": "even", "parts": 3, "fewer": True}
_CALIBRATION = 1024
"""Number of calibration images, unless the datasets are small."""


def prune(
    model: nn.Module,
    *,
    train: ImageDataset,
    test: ImageDataset,
    targets: Sequence[Target | Mapping[str, Any]],
    validation: ImageDataset | None = None,
    split: Any = _THREE,
    data: Mapping[str, Any] | None = None,
    name: str | None = None,
    run_dir: str | PathLike[str] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    workers: int = 0,
    data_id: str | None = None,
    **settings: Any,
) -> Result:
    """Prune a trained network, on datasets of (image, class number). The network itself stays as it is.

    It does the same as `emopms.run` with a spec: the same call in the same run directory goes on where an earlier one
    stopped, and the same seed gives the same result.

    Args:
        model: The trained network, a classifier. It is taken as it is, unless ``pretrain={"epochs": …}`` is given.
        train: Images to train on, from which calibration and ranking images are taken. A map-style
            ``torch.utils.data.Dataset``; an image is a tensor [C, H, W] of float32, or of uint8 in 0…255. Its transform
            may draw random numbers. Its attribute ``classes`` gives the classes their names.
        test: Images for the reported figures of the models, and for nothing else.
        targets: The networks to make, such as ``[{"macs": 0.5}, {"accuracy_drop": 0.01}]``.
        validation: Images on which networks are chosen; by default some of ``train``.
        split: Where the network is divided, as in a spec: ``blocks``, a list of module paths, or ``[]`` for no
            division. By default it is divided into three sub-networks of about equal MACs, or into fewer if it has not
            so many places to cut.
        data: Settings of the data, as in a spec: ``calibration``, ``validation`` (numbers of images), ``mean``, ``std``
            and ``augment``. By default the images are taken as the datasets give them. ``calibration`` is by default
            1,024, but at most an eighth of ``train``; so is ``validation``.
        name: Name of the run; by default that of the network's class.
        run_dir: The directory that receives all results; by default ``runs/<name>`` below the current folder.
        device: ``auto`` (CUDA if it is available), ``cpu`` or ``cuda``.
        progress: Receives the progress of the run; by default nothing is shown.
        workers: Number of processes that read training images. It changes no result.
        data_id: A text that stands for the content of the datasets, and is changed when they change. By default all
            images are read once instead, up to 4 GiB.
        **settings: Any other key of a spec, such as ``finetune={"epochs": 10}`` or ``seed=1``.

    Returns:
        The finished run. ``result.models["macs-0.5"]`` is a pruned and fine-tuned network.

    Raises:
        SpecError: A setting is wrong.
        DataError: A dataset cannot be used.
        NetworkError: The network cannot be pruned.
        EmopmsError: The run cannot continue. Completed stages stay in the store.
        TypeError: ``model`` is no module.
        ValueError: ``workers`` is negative.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"expected a torch.nn.Module as `model`, got {model!r}")
    if workers < 0:
        raise ValueError(f"`workers` is a number of processes, at least 0; got {workers}")
    given = Given(train, test, validation, workers=workers, identity=data_id, classes=_classes(model, train))
    few = max(2, len(train) // 8)
    counts = {"calibration": min(_CALIBRATION, few), "validation": min(_CALIBRATION, few)}
    checked = Spec(
        version=1,
        name=re.sub(r"[^A-Za-z0-9_-]", "-", type(model).__name__).lower() if name is None else name,
        backbone=InMemory.holding(model),
        data={"name": "datasets", **counts, **(data or {})},
        split=split,
        targets=targets,
        **settings,
    )
    assert isinstance(checked.data, Datasets)
    spec = checked.model_copy(update={"data": checked.data.holding(given)})
    return run(spec, run_dir=run_dir, device=device, progress=progress)


def _classes(model: nn.Module, train: ImageDataset) -> int:
    """Return the number of scores that the network gives for an image.

    Raises:
        DataError: The first training image cannot be read.
        NetworkError: The network does not give scores for it.
    """
    try:
        image, _ = train[0]
        batch = torch.as_tensor(image)[None].repeat_interleave(2, dim=0).float()
    except Exception as error:  # the code of a dataset may raise anything
        raise DataError(
            f"Item 0 of the dataset `train` cannot be used: {reason(error)}",
            remedy="Let it be a pair of an image, as a tensor [C, H, W], and its class number.",
        ) from error
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad(), in_eval(model):
            scores = model(batch.to(device))
    except Exception as error:  # and so may that of a network
        raise NetworkError(
            f"The network cannot run on images {list(batch.shape)} of the dataset `train`: {reason(error)}",
            remedy="Check that the images are those that it was trained on.",
        ) from error
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2:
        shape = f"of shape {list(scores.shape)}" if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise NetworkError(
            f"For two images the network gives an output {shape}, not class scores [2, classes].",
            remedy="Only classifiers can be pruned. Let a wrapper return the scores.",
        )
    return scores.shape[1]
