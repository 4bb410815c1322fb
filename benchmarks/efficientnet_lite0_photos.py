"""Prunes EfficientNet-lite0 with unlabelled photos and writes ``docs/agreement.md``: ``make bench-agreement``.

It needs plugins/emopms-timm, and the data root in EMOPMS_DATA (see the spec and efficientnet_lite0_weights.py). The run
directory is in runs/. After an interruption, run it again to continue.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import emopms
from benchmarks.machine import machine
from benchmarks.timm_models import timm
from emopms.cli.terminal import Lines
from emopms.engine.pipeline.preflight import prepare
from emopms.engine.session.networks import given_network
from emopms.engine.session.scoring import BATCH, score
from emopms.engine.support.paths import data_folder
from emopms.network.layers.batchnorm import recalibrate
from emopms.network.runtime.device import Device

if TYPE_CHECKING:
    from emopms.engine.session.context import Context

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "plugins" / "emopms-timm" / "specs" / "efficientnet_lite0_photos.yaml"


def main() -> None:
    timm()  # the plugin's own import would fail if torchvision does not match torch
    spec = emopms.load_spec(SPEC)
    run_dir, other_dir = (ROOT / "runs" / name for name in (spec.name, f"{spec.name}-reconstructed"))
    result = emopms.run(spec, run_dir=run_dir, progress=Lines())
    if not other_dir.exists():  # both runs have the same search: copy it
        shutil.copytree(run_dir / "store", other_dir / "store", ignore=shutil.ignore_patterns("lock", "holder.json"))
    reconstructed = emopms.run(
        emopms.load_spec(SPEC, ["surgery.reconstruct=least_squares"]), run_dir=other_dir, progress=Lines()
    )
    context = prepare(spec, folder=data_folder(spec, None), device=Device.choose("auto"), progress=Lines()).context
    figures = {
        "command": "python -m benchmarks.efficientnet_lite0_photos",
        "machine": machine(),
        "spec": spec.resolved(),
        "photos": {"train": context.source.train_size, "test": context.source.test_size},
        "recalibrated": recalibrated(context),
        "result": result.summary,
        "reconstructed": reconstructed.summary,
    }
    (ROOT / "benchmarks" / "efficientnet_lite0_photos.json").write_text(json.dumps(figures, indent=2) + "\n")
    (ROOT / "docs" / "agreement.md").write_text(report(figures))


def recalibrated(context: Context) -> float:
    """Return the agreement of the dense network with itself after re-estimating batch norm, as after surgery."""
    network = context.device.place(given_network(context.spec, context.source, context.folder)).eval()
    recalibrate(network, (images for images, _ in context.image_sets.train.batches(BATCH)))
    return score(network, context.image_sets.test, context.device, exact=True).accuracy


def report(figures: dict[str, Any]) -> str:
    """Return the text of ``docs/agreement.md``."""
    spec, result, photos, where = (figures[key] for key in ("spec", "result", "photos", "machine"))
    data, finetune, algorithm, dense = spec["data"], spec["finetune"], spec["algorithm"], result["dense"]
    whole = f"{dense['macs'] / 1e6:.1f} M | 100.0% | {dense['params']:,}"
    rows = [
        f"| dense, as given | {whole} | {dense['accuracy']:.1%} | |",
        f"| dense, batch norm recalibrated | {whole} | {figures['recalibrated']:.1%} | |",
    ]
    rows += [
        f"| `{model['target']}`{how} | {model['macs'] / 1e6:.1f} M | {1 - model['macs_cut']:.1%} | {model['params']:,} "
        f"| {model['accuracy_before_finetune']:.1%} | {model['accuracy']:.1%} |"
        for how, made in (("", result), (", reconstructed", figures["reconstructed"]))
        for model in made["models"]
    ]
    trained = photos["train"] - data["calibration"] - data["validation"]
    minutes = sum(stage["seconds"] for stage in result["stages"]) / 60
    stages = ", ".join(f"{stage['name']} {stage['seconds']:.0f}" for stage in result["stages"])
    objectives = " and ".join(objective["name"] for objective in spec["objectives"])
    size = f"{data['size']}×{data['size']}"
    page = f"""# Pruning with nothing but photos

Made by `make bench-agreement` (`{figures["command"]}`); the figures are in
[benchmarks/efficientnet_lite0_photos.json](../benchmarks/efficientnet_lite0_photos.json), the spec is
[efficientnet_lite0_photos.yaml](../plugins/emopms-timm/specs/efficientnet_lite0_photos.yaml). Machine: {where["cpu"]},
{where["threads"]} thread{"s" * (where["threads"] != 1)}, device {where["device"]}, torch {where["torch"]}. One seed
({spec["seed"]}).

EfficientNet-lite0 with its published ImageNet weights is pruned with {photos["train"] + photos["test"]:,} photos of
{size} pixels. No labels are read. Agreement is the share of the {photos["test"]} test photos for which the pruned
network predicts the same of {data["classes"]:,} classes as the dense network. Test photos are not used for training or
for any choice.

| model | MACs | of dense | parameters | agreement after surgery | after distillation |
|---|---|---|---|---|---|
{chr(10).join(rows)}

After surgery on the dense network, batch norm is recalibrated on the {trained} training photos, or layers are
reconstructed on them ([Method](method.md#few-images)). The second row shows the effect of recalibration alone, without
pruning. Distillation takes {finetune["epochs"]} epochs over the same
{trained} photos, with the distillation loss only (`alpha: {finetune["alpha"]}`). The number of epochs and the learning
rate were chosen on the validation photos.

There is only one photo of each class, so the pruned network was trained on no photo of any class in the test. The
standard deviation of an agreement of 80 % on {photos["test"]} photos is
{100 * (0.16 / photos["test"]) ** 0.5:.1f} points.

The search: {len(spec["split"]["points"]) + 1} sub-networks, objectives {objectives}, a population of
{algorithm["pop_size"]} for {algorithm["generations"]} generations, {result["search"]["evaluations"]:,} evaluations on
{data["calibration"]} calibration photos; {data["validation"]} validation photos. Kendall's tau between predicted and
measured loss of {result["rank"]["measured"]} networks: {result["rank"]["kendall_tau"]:.2f}. In all
{minutes:.0f} minutes on a machine with other load; seconds per stage: {stages}.
"""
    paragraphs = [
        text if text[0] in "#|" else fill(text, 120, break_long_words=False, break_on_hyphens=False)
        for text in page.split("\n\n")
    ]
    return "\n\n".join(paragraphs).rstrip() + "\n"


if __name__ == "__main__":
    main()
