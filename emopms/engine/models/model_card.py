"""The model card: the file ``README.md`` in the folder of an exported model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.spec import Spec


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
    facts: Mapping[str, Any],
    dense: Mapping[str, Any],
    files: Sequence[str],
    *,
    quality: str,
) -> str:
    """Return the model card in Markdown: the accuracy and costs of the model, its input and output, and how to load it.

    Args:
        spec: The spec of the run.
        architecture: The content of ``architecture.json``.
        facts: The figures of the model.
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
    not_counted = ", ".join(facts["not_counted"]) or "nothing"
    return f"""# {spec.name}, {facts["target"]}

A `{architecture["backbone"]["name"]}` pruned by emopms {architecture["emopms"]}
(EMO-PMS, arXiv 2303.16212) for the target `{facts["target"]}`.

| on test images | dense | this model |
|---|---|---|
| {quality} | {dense["accuracy"]:.2%} | {facts["accuracy"]:.2%} |
| balanced {quality} | {dense["balanced_accuracy"]:.2%} | {facts["balanced_accuracy"]:.2%} |
| {quality} before fine-tuning | | {facts["accuracy_before_finetune"]:.2%} |
| MACs for one image | {dense["macs"]:,} | {facts["macs"]:,} ({facts["macs"] / dense["macs"]:.1%}) |
| parameters | {dense["params"]:,} | {facts["params"]:,} ({facts["params"] / dense["params"]:.1%}) |

{note}MACs are multiply–accumulates of convolutions and linear layers; not counted: {not_counted}.

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
