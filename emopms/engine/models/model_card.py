"""The model card: the file ``README.md`` in the folder of an exported model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emopms.spec.scalars import dump
from emopms.spec.target import COUNTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.engine.results.exported import ExportedModel, ModelFigures
    from emopms.spec import Spec


PICTURE = "channels.svg"
"""Name of the picture in the model's folder that the card shows."""
_AGREEMENT = """\
The images carry no labels: agreement is the share of images to which the model gives the class that the dense network
gives them.
"""
_PORTABLE = """
Without emopms:

```python
import torch

network = torch.export.load("model.pt2").module()
```
"""


def model_card(
    spec: Spec,
    architecture: Mapping[str, Any],
    model: ExportedModel,
    dense: ModelFigures,
    files: Sequence[str],
    *,
    quality: str,
) -> str:
    """Return the model card in Markdown: the accuracy and costs of the model, its input and output, and how to load it.

    It begins with metadata in YAML, between two lines of dashes, in the form that the Hugging Face hub reads
    (https://huggingface.co/docs/hub/model-cards).

    Args:
        spec: The spec of the run.
        architecture: The content of ``architecture.json``.
        model: The figures of the model.
        dense: The figures of the dense network.
        files: Names of the files in the model's folder.
        quality: Name of the share of correct answers, ``accuracy`` or ``agreement`` (see `Context.quality`).
    """
    image = architecture["input"]
    channels, height, width = image["shape"]
    mean, std = (", ".join(f"{value:g}" for value in image[key]) for key in ("mean", "std"))
    portable = _PORTABLE if "model.pt2" in files else ""
    network = ", network=make())  # the dense network, which you make" if spec.backbone.names_code else ")"
    note = _AGREEMENT if quality == "agreement" else ""
    measured = "".join(
        f"| {name} | {model.dense_costs[name]:,g} | {cost:,g} ({cost / model.dense_costs[name]:.1%}) |\n"
        for name, cost in model.costs.items()
        if name not in COUNTED
    )
    not_counted = ", ".join(model.not_counted) or "nothing"
    return f"""---
{_metadata(spec, architecture, model, quality=quality)}---

# {spec.name}, {model.target}

A `{architecture["backbone"]["name"]}` pruned by emopms {architecture["emopms"]}
(EMO-PMS, arXiv 2303.16212) for the target `{model.target}`.

| on test images | dense | this model |
|---|---|---|
| {quality} | {dense.accuracy:.2%} | {model.accuracy:.2%} |
| balanced {quality} | {dense.balanced_accuracy:.2%} | {model.balanced_accuracy:.2%} |
| {quality} before fine-tuning | | {model.accuracy_before_finetune:.2%} |
| MACs for one image | {dense.macs:,} | {model.macs:,} ({model.macs / dense.macs:.1%}) |
| parameters | {dense.params:,} | {model.params:,} ({model.params / dense.params:.1%}) |
{measured}
{note}MACs are multiply–accumulates of convolutions and linear layers; not counted: {not_counted}.

![Channels that each layer keeps; the frames are the dense layers]({PICTURE})

## Input and output
A float32 batch [N, {channels}, {height}, {width}] of pixels scaled to 0…1, less the mean ({mean}), divided by the
standard deviation ({std}). The output is [N, {len(architecture["classes"])}] class scores in the order of `classes` in
`architecture.json`.

## Loading
```python
import emopms

network = emopms.load("path/to/this/folder"{network}
```
{portable}
Files: {", ".join(f"`{name}`" for name in files)}.
"""


def _metadata(spec: Spec, architecture: Mapping[str, Any], model: ExportedModel, *, quality: str) -> str:
    """Return the metadata as YAML. Licence and languages are not known; the names of data are those of the spec, which
    need not exist on a hub."""
    data = spec.data.name
    result = {
        "task": {"type": "image-classification", "name": "Image Classification"},
        "dataset": {"type": data, "name": data, "split": "test"},
        "metrics": [{"type": quality, "value": model.accuracy, "name": f"{quality} on test images"}],
    }
    return dump(
        {
            "library_name": "emopms",
            "pipeline_tag": "image-classification",
            "tags": ["pytorch", "pruning", architecture["backbone"]["name"]],
            "metrics": [quality],
            "model-index": [{"name": f"{spec.name}, {model.target}", "results": [result]}],
        }
    )
