"""The command ``emopms show``, which shows the front and the models of a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from emopms.cli.output import printable
from emopms.cli.tables import Columns, show_tables
from emopms.cli.terminal import closing_table
from emopms.errors import RunError, did_you_mean

if TYPE_CHECKING:
    import argparse

    from rich.console import RenderableType

    from emopms.engine.results.joint_front import JointFront


def command(arguments: argparse.Namespace) -> None:
    """Show a finished run. Nothing is computed.

    Raises:
        StoreError: The folder holds no finished run.
        RunError: There is no model of the given name.
    """
    from emopms.engine.finished.result import Result
    from emopms.engine.storage.outputs import Outputs

    result = Result(arguments.run)
    models = {model["target"]: model for model in result.summary["models"]}
    if arguments.model is not None and arguments.model not in models:
        raise RunError(f"The run has no model {arguments.model!r}.", remedy=did_you_mean(arguments.model, models))
    shown = [models[arguments.model]] if arguments.model is not None else list(models.values())
    parts: list[RenderableType]
    if arguments.model is not None:
        parts = [_subnetworks(shown), _layers(shown[0])]
    else:
        parts = [closing_table(result.summary, result.folder), _front(result.front), _subnetworks(shown)]
        parts.append(Text(f"`emopms show {printable(arguments.run)} --model {next(iter(models))}` shows its layers."))
    outputs = Outputs(result.folder)
    for path in (model["path"] for model in shown if not outputs.holds(model["path"])):
        parts.append(
            Text(f"{printable(path)}: a file is missing or was changed. The same `emopms run` writes it again.")
        )
    show_tables(Group(*(line for part in parts for line in (part, Text()))))


def _front(front: JointFront) -> Group:
    headings, rows = front.rows()
    table = Columns(*headings, left=("models",))
    for point, cells in zip(front, rows, strict=True):
        if point.on_front or point.models or point is front.dense:
            table.add_row(*cells)
    knee = front.knee
    return Group(
        Text("Front, on validation images and before fine-tuning:"),
        Text(),
        table,
        Text(),
        Text(f"knee: scheme {knee.scheme}, {knee.accuracy:.2%} at {knee.shares['macs']:.1%} of the MACs"),
    )


def _subnetworks(models: list[dict[str, Any]]) -> Group:
    table = Columns(
        *("model", "sub-network", "channels", "MACs saved", "loss", "accuracy\n(points)"), left=("model", "sub-network")
    )
    for model in models:
        name = model["target"]
        for part in model["subnetworks"]:
            table.add_row(
                name,
                part["name"],
                f"{part['kept_channels']:,} of {part['channels']:,}",
                f"{part['saved_macs']:,}",
                f"{part['impairment']:+.4f}",
                f"{-100 * part['accuracy_lost']:+.2f}",
            )
            name = ""
    return Group(Text("If only this sub-network is pruned as in the model (ranking images):"), Text(), table)


def _layers(model: dict[str, Any]) -> Group:
    table = Columns(
        *("layer", "sub-network", "channels", "kept", "", "MACs", "kept MACs", "loss, alone"),
        left=("layer",),
        glued=("",),
    )
    for layer in model["layers"]:
        impairment = layer["impairment"]
        table.add_row(
            layer["name"],
            layer["subnetwork"],
            f"{layer['channels']:,}",
            f"{layer['kept_channels']:,}",
            f"{layer['kept_channels'] / layer['channels']:.0%}",
            f"{layer['macs']:,}",
            f"{layer['kept_macs']:,}",
            "" if impairment is None else f"{impairment:+.4f}",
        )
    heading = f"Layers of {model['target']}; the loss is that of the network in which only this layer is pruned:"
    return Group(Text(printable(heading)), Text(), table)
