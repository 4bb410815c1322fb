"""Prunes ResNet-20 on CIFAR-10, and compares divided search with whole-network search at equal time.

The benchmark runs ``specs/cifar10_resnet20.yaml`` and then the same spec without split points. The number of
generations of the second run is chosen to take as many seconds as the divided search. It writes
``benchmarks/cifar10_resnet20.json``, ``docs/results.md`` and ``docs/front.svg``. After an interruption, run it again to
continue.

    EMOPMS_DATA=/data python -m benchmarks.cifar10_resnet20
"""

from __future__ import annotations

import csv
import json
import shutil
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import emopms
from benchmarks.machine import machine
from emopms.builtin.split.at import At
from emopms.cli.terminal import Lines
from emopms.engine.pipeline.preflight import prepare
from emopms.engine.search.cache import EvaluationCache
from emopms.engine.search.criteria import make_criteria
from emopms.engine.search.evaluation import ObjectiveEvaluation
from emopms.engine.search.task import make_task
from emopms.engine.session.networks import fresh_network
from emopms.engine.support.paths import data_folder
from emopms.engine.support.seeds import numpy_rng
from emopms.network.runtime.device import Device

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "specs" / "cifar10_resnet20.yaml"
RUNS = ROOT / "runs"
SEARCH_STAGES = ("evolve/", "rank", "join", "refine", "measure")


def main() -> None:
    spec = emopms.load_spec(SPEC)
    divided_dir, whole_dir = RUNS / spec.name, RUNS / f"{spec.name}-whole"
    divided = emopms.run(spec, run_dir=divided_dir, progress=Lines())
    seconds = search_seconds(divided.summary)

    whole_spec = spec.model_copy(
        update={
            "name": f"{spec.name}-whole",
            "split": At(points=()),
            "finetune": spec.finetune.model_copy(update={"epochs": 0}),  # only its front is compared
        }
    )
    pace = whole_dir / "seconds_a_generation.json"
    if not pace.exists():
        # Both runs have the same dense network: copy it instead of training it again.
        shutil.copytree(divided_dir / "store" / "pretrain", whole_dir / "store" / "pretrain", dirs_exist_ok=True)
        pace.write_text(json.dumps(seconds_a_generation(whole_spec)))
    generations = max(2, round(seconds / json.loads(pace.read_text())))
    algorithm = spec.algorithm.model_copy(update={"generations": generations})
    whole = emopms.run(whole_spec.model_copy(update={"algorithm": algorithm}), run_dir=whole_dir, progress=Lines())

    figures = {
        "command": "python -m benchmarks.cifar10_resnet20",
        "machine": machine(),
        "spec": spec.resolved(),
        "divided": divided.summary,
        "whole": {**whole.summary, "generations": generations},
    }
    (ROOT / "benchmarks" / "cifar10_resnet20.json").write_text(json.dumps(figures, indent=2) + "\n")
    (ROOT / "docs" / "results.md").write_text(report(figures))
    draw(divided_dir, whole_dir, ROOT / "docs" / "front.svg", dense_macs=divided.summary["dense"]["macs"])


def search_seconds(summary: dict[str, Any]) -> float:
    """Return the total seconds of the stages that lead to the front."""
    return float(sum(stage["seconds"] for stage in summary["stages"] if stage["name"].startswith(SEARCH_STAGES)))


def seconds_a_generation(spec: emopms.Spec) -> float:
    """Return the median time to evaluate a new population of the whole network."""
    folder, device = data_folder(spec, None), Device.choose("auto")
    context = prepare(spec, folder=folder, device=device, progress=Lines()).context
    divided = context.divide(context.device.place(fresh_network(spec, context.source)).eval())
    sub, criteria = divided.parts[0], make_criteria(context, divided.parts)
    task = make_task(context.image_sets.calibration, divided, sub, criteria, context.device)
    times = []
    for repeat in range(3):
        sample = spec.sampling.sample(sub, task.inputs, spec.algorithm.pop_size, numpy_rng(repeat, "pace"))
        cache = EvaluationCache(ObjectiveEvaluation(task, spec.objectives))
        began = time.perf_counter()
        cache.evaluate(sample)
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def report(figures: dict[str, Any]) -> str:
    """Return the text of ``docs/results.md``."""
    divided, whole, spec, where = (figures[key] for key in ("divided", "whole", "spec", "machine"))
    dense = divided["dense"]
    rows = [f"| dense | {dense['macs'] / 1e6:.2f} M | 100 % | {dense['params']:,} | | {dense['accuracy']:.2%} | |"]
    for model in divided["models"]:
        change = 100 * (model["accuracy"] - dense["accuracy"])
        rows.append(
            f"| `{model['target']}` | {model['macs'] / 1e6:.2f} M | {1 - model['macs_cut']:.1%} | {model['params']:,} "
            f"| {model['accuracy_before_finetune']:.2%} | {model['accuracy']:.2%} | {change:+.2f} |"
        )
    searches = [
        f"| {name} | {result['search']['evaluations']:,} | {search_seconds(result):.0f} "
        f"| {result['search']['hypervolume']:.3f} | {result['rank']['kendall_tau']:.2f} |"
        for name, result in (("three sub-networks", divided), ("whole network", whole))
    ]
    stages = ", ".join(f"{stage['name']} {stage['seconds']:.0f}" for stage in divided["stages"])
    reference = divided["search"]["hypervolume_reference"]
    return f"""# Results

Made by `make bench-cifar10` (`{figures["command"]}`); the figures are in
[benchmarks/cifar10_resnet20.json](../benchmarks/cifar10_resnet20.json). Machine: {where["cpu"]},
{where["threads"]} threads, device {where["device"]}, torch {where["torch"]}. One seed ({spec["seed"]}).

## ResNet-20, CIFAR-10 as JPEG files

The published weights are adapted to these images for {spec["pretrain"]["epochs"]} epochs. Each pruned network is
fine-tuned for {spec["finetune"]["epochs"]} epochs. Accuracies are measured on the 10,000 test images, which are not
used for any choice.

| model | MACs | of dense | parameters | before fine-tuning | accuracy | points |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

The accuracy before fine-tuning is that of the network after surgery on the constraint-trained network, with
recalibrated batch norm. Seconds per stage, on a machine with other load: {stages}.

## Divided against whole-network search at equal seconds

The hypervolume is that of the front on the {spec["data"]["validation"]:,} validation images, which the searches do not
use (reference point: loss {reference[0]:.3f}, all MACs). The seconds are the sum over all stages up to the front. The
whole-network search is the same spec with `split: []` and {whole["generations"]} generations of
{spec["algorithm"]["pop_size"]} candidates. This number of generations was estimated from the time of one generation, to
take equally long; the table gives the measured seconds.

| search | evaluations | seconds | hypervolume | Kendall's tau |
|---|---|---|---|---|
{chr(10).join(searches)}

Kendall's tau compares the losses that were predicted from ranking images with the measured losses.

![The joint fronts](front.svg)
"""


def draw(divided: Path, whole: Path, path: Path, *, dense_macs: int) -> None:
    """Plot both fronts and the fine-tuned networks."""
    plt.rcParams["svg.hashsalt"] = "emopms"  # equal figures give an identical file
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for folder, label, marker in ((whole, "whole network", "s"), (divided, "three sub-networks", "o")):
        with (folder / "front.csv").open() as file:
            front = [(float(row["macs"]), float(row["accuracy"])) for row in csv.DictReader(file)]
        macs, accuracy = zip(*sorted(front), strict=True)
        percent = [100 * value / dense_macs for value in macs]
        axes.plot(percent, [100 * value for value in accuracy], marker=marker, markersize=4, label=label)
    models = json.loads((divided / "result.json").read_text())["models"]
    axes.scatter(
        [100 * (1 - model["macs_cut"]) for model in models],
        [100 * model["accuracy"] for model in models],
        marker="*",
        s=140,
        color="black",
        zorder=3,
        label="after fine-tuning (test images)",
    )
    axes.set(xlabel="MACs, % of dense", ylabel="accuracy, %", title="ResNet-20, CIFAR-10 (JPEG): joint fronts")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
