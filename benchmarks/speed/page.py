"""``docs/speed.md`` from the figures of ``benchmarks/speed.json``."""

from __future__ import annotations

from textwrap import fill
from typing import Any

_WAYS = {"whole": "whole network", "divided": "three sub-networks"}


def page(sections: dict[str, Any]) -> str:
    """The page.

    Args:
        sections: Figures by device, ``cpu`` and ``cuda``; either may be missing.
    """
    first = next(iter(sections.values()))
    budget = first["spec"]["algorithm"]
    text = f"""# Speed

Made by `make bench-speed`; the figures are in [benchmarks/speed.json](../benchmarks/speed.json). CIFAR ResNets, their
inner channels pruned, {first["spec"]["data"]["calibration"]} images a candidate. Three ways to judge
candidates, timed by turns in one run:

- *peer*: pymoo and Torch-Pruning as they are usually combined: a deep copy of the whole network, a dependency graph and
  surgery for each candidate, then a forward pass in fp32 and PyTorch's default layout;
- *whole network*: emopms with `split: []`;
- *three sub-networks*: emopms with `split: [layer1, layer2]`. A candidate is then one of a sub-network, and the
  candidates of all three are divided by the seconds of all three.

Candidates are those that searches with a population of {budget["pop_size"]} ask for, generation by generation; the
peer evaluates some of those of the whole network. Seconds, and ratios within a generation, are medians over
generations. What candidates share is computed once, which is part of what is measured. Ours re-estimates
batch norm for every candidate, which the peer does not. ResNet-20 and 56 have their published weights; ResNet-110 is
the 56 with each block split into smaller steps. On the CPU a good part of the peer's time goes to memory that is mapped
anew for each feature map of 512 images, as is usual; glibc can be told to keep it (`MALLOC_TRIM_THRESHOLD_`,
`MALLOC_MMAP_THRESHOLD_`), which can make the peer a good deal faster.
One seed ({first["spec"]["seed"]}), but for the races.

{section("CPU", sections["cpu"]) if "cpu" in sections else absent("CPU", "make bench-speed")}

{section("CUDA", sections["cuda"]) if "cuda" in sections else absent("CUDA", "make bench-speed DEVICE=cuda")}
"""
    return wrapped(text)


def absent(device: str, command: str) -> str:
    """The section of a device that nothing was measured on."""
    return f"## {device}\n\nNothing was measured: no such device was at hand. `{command}` adds it."


def section(title: str, figures: dict[str, Any]) -> str:
    """All tables of one device."""
    where, networks = figures["machine"], figures["networks"]
    peaks = {kind: max(rates.values()) for kind, rates in figures["matrix_rates"].items()}
    fastest = ", ".join(
        f"{peak / 1e9:,.0f} G{'' if kind == 'int8' else 'FL'}OP/s in {kind}" for kind, peak in peaks.items()
    )
    parts = [
        f"## {title}",
        f"Machine: {where['cpu']}, {where['threads']} threads, device {where['device']}, torch {where['torch']}. "
        f"The load before candidates a second were measured was {max(each['load'] for each in networks.values()):.1f} "
        "at most; that of what was measured before is in there.",
        "### Candidates a second",
        rates_table(networks),
        "Peak memory is that of the whole process on the CPU, and that of all tensors on a GPU: the images, and what "
        "the other two hold meanwhile, are in it.",
        "### The same values",
        values_table(networks),
        "The peer's losses against ours for the whole network and the same candidates, both with the dense network's "
        "batch-norm statistics, as the largest relative difference. Spearman's rank correlation compares the losses "
        "that a search sees with those in fp32; the lowest of all sub-networks counts.",
        "### Seconds to the same hypervolume",
        "The whole network is searched for its full budget, the largest of those listed, the divided one for smaller "
        "budgets: generations a sub-network, and of refining the joint schemes. Hypervolumes "
        f"are those of the joint fronts on {figures['spec']['data']['validation']:,} images that no search saw: "
        f"medians over {seeds(networks)} seeds, and their range. One generation is the first population, and one of "
        "refining measures the joint schemes: such a search chooses and combines, and breeds nothing yet. "
        "`refine` and what comes before it are the search; `measure` then measures "
        f"{figures['spec']['schemes']} networks of either way.",
        *trained_races(networks, figures["training"]),
        "With the weights as they were published:",
        races_table(networks, "race"),
        reached(networks, "race"),
        "### Where the time of a search goes",
        breakdown_table(networks),
        "Forward passes are those of candidates. The judge compares features, of large maps every second row. Sampling "
        "draws the first population, with forward and backward passes of its own.",
        operations_table(networks),
        "Shares of the time in which a population is evaluated, by PyTorch's profiler.",
        "### Arithmetic",
        f"The fastest of several matrix products on this machine, with one thread as each candidate has: {fastest}. "
        "Two operations a multiply–accumulate of the pruned candidate. Seconds and MACs are those of the candidates "
        "above, who share; rates are those of the first population sharing nothing, and of the dense sub-network.",
        arithmetic_table(networks, peaks),
    ]
    if "cuda_against_cpu" in next(iter(networks.values()))["values"]:
        worst = max(network["values"]["cuda_against_cpu"] for network in networks.values())
        parts.append(f"Losses in fp32 differ from the CPU's by {worst:.1e} at most, relatively.")
    return "\n\n".join(parts)


def rates_table(networks: dict[str, Any]) -> str:
    rows = []
    for name, figures in networks.items():
        timed = figures["throughput"]
        rate, times, peak = timed["candidates_a_second"], timed["times_the_peer"], timed["peak_bytes"]
        rows.append(
            [
                name,
                *(f"{rate[way]:.2f}" for way in ("peer", "whole", "divided")),
                *(f"{times[way]:.1f}" for way in ("whole", "divided")),
                " / ".join(f"{peak[way] / 2**20:,.0f}" for way in ("peer", "whole", "divided")),
            ]
        )
    heads = ["", "peer", *_WAYS.values(), "whole ÷ peer", "divided ÷ peer", "peak memory, MiB"]
    return table(heads, rows)


def values_table(networks: dict[str, Any]) -> str:
    rows = []
    for name, figures in networks.items():
        values = figures["values"]
        ranks = values.get("against_fp32")
        rows.append(
            [
                name,
                *(f"{values['against_peer'][kind]['relative']:.1e}" if kind in values["against_peer"] else "not used"
                  for kind in ("fp32", "bf16")),
                *(f"{min(part['spearman'] for part in ranks[way]):.4f}" if ranks else "not used" for way in _WAYS),
            ]
        )  # fmt: skip
    return table(["", "fp32 − peer", "bf16 − peer", *(f"Spearman, {way}" for way in _WAYS.values())], rows)


def races_table(networks: dict[str, Any], kind: str) -> str:
    rows = []
    for name, race in races(networks, kind):
        full = race["whole"][-1]
        for label, run in ((label, run) for way, label in _WAYS.items() for run in race[way]):
            spent, least, most = run["seconds"], min(run["hypervolumes"]), max(run["hypervolumes"])
            search = [stage for stage in spent if stage != "measure"]
            shares = [
                sum(spent[stage] for stage in stages) / sum(full["seconds"][stage] for stage in stages)
                for stages in (search, spent)
            ]
            rows.append(
                [
                    name,
                    label,
                    f"{run['generations']} + {run['refined']}",
                    f"{run['evaluations']:,.0f}",
                    f"{sum(spent[stage] for stage in search):.0f} ({' + '.join(f'{spent[s]:.0f}' for s in search)})",
                    f"{spent['measure']:.0f}",
                    f"{run['hypervolume']:.3f} ({least:.3f}–{most:.3f})",
                    f"{shares[0]:.2f} ({shares[1]:.2f})",
                ]
            )
    return table(
        [
            "",
            "search",
            "generations + refining",
            "evaluations",
            "seconds (evolve + rank + join + refine)",
            "seconds to measure",
            "hypervolume (range)",
            "share of the seconds (measuring included)",
        ],
        rows,
    )


def trained_races(networks: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """What is said of races after constraint training, where there are some."""
    if not races(networks, "trained_race"):
        return []
    constraint = settings["constraint"]
    spent = "; ".join(
        f"{training['seconds']:.0f} for {name}, whose accuracy on unseen images is "
        f"{training['before']['accuracy']:.1%} before and {training['after']['accuracy']:.1%} after it"
        for name, training in ((name, race["training"]) for name, race in races(networks, "trained_race"))
    )
    return [
        "Both ways search the same network. First the one that constraint training leaves, as the method has it: its "
        f"sub-networks have learned to work with pruned neighbours (`constraint: {constraint['name']}`, learning rate "
        f"{constraint['lr']}, epochs: {constraint['epochs']}), and the network to work with these images, which are "
        f"JPEGs. The seconds of the training are in neither search's: {spent}.",
        races_table(networks, "trained_race"),
        reached(networks, "trained_race"),
    ]


def races(networks: dict[str, Any], kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Those of one kind that were run, by network."""
    return [(name, figures[kind]) for name, figures in networks.items() if kind in figures]


def seeds(networks: dict[str, Any]) -> int:
    """With how many the searches race."""
    return max((len(race["whole"][-1]["hypervolumes"]) for _, race in races(networks, "race")), default=0)


def reached(networks: dict[str, Any], kind: str) -> str:
    """Where the divided search is as good as the whole network's."""
    found = [
        f"on {name} in {race['share']:.2f} of its time" if race["share"] is not None else f"on {name} at none of these"
        for name, race in races(networks, kind)
    ]
    return f"The divided search has the whole one's median hypervolume {', '.join(found)}."


def breakdown_table(networks: dict[str, Any]) -> str:
    rows, names = [], list(next(iter(networks.values()))["breakdown"]["whole"]["seconds"])
    for name, figures in networks.items():
        for way, label in _WAYS.items():
            seconds = figures["breakdown"][way]["seconds"]
            rows.append([name, label, *(f"{seconds[part] / sum(seconds.values()):.1%}" for part in names)])
    return table(["", "search", *names], rows)


def operations_table(networks: dict[str, Any]) -> str:
    rows, names = [], list(next(iter(networks.values()))["operations"]["whole"])
    for name, figures in networks.items():
        for way, label in _WAYS.items():
            rows.append([name, label, *(f"{figures['operations'][way][kind]:.0%}" for kind in names)])
    return table(["", "search", *names], rows)


def arithmetic_table(networks: dict[str, Any], peaks: dict[str, float]) -> str:
    """Each sub-network's evaluations: seconds against MACs, and the rate of its forward passes."""
    rows = []
    for name, figures in networks.items():
        for way in _WAYS:
            evaluations = figures["throughput"]["evaluations"][way]
            searched = figures["breakdown"][way]["subnetworks"]
            for index, (timed, part) in enumerate(zip(evaluations, searched, strict=True), start=1):
                rows.append(
                    [
                        name,
                        "whole" if way == "whole" else f"{index} of {len(searched)}",
                        f"{timed['dense_macs'] / 1e6:.1f}",
                        f"{timed['macs'] / 1e6:.1f}",
                        f"{1000 * timed['seconds']:.1f}",
                        f"{1e9 * timed['seconds'] / timed['macs']:.2f}",
                        part["numbers"],
                        f"{part['candidates']['flops'] / peaks[part['numbers']]:.0%}",
                        f"{part['dense']['flops'] / peaks[part['numbers']]:.0%}",
                    ]
                )
    heads = [
        "",
        "part",
        "dense MMACs",
        "candidates' MMACs",
        "ms an evaluation",
        "ns a MAC",
        "numbers",
        "of the machine's rate",
    ]
    return table([*heads, "dense"], rows)


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def wrapped(text: str) -> str:
    """The text with its paragraphs filled to 120 columns; headings, tables and lists stay as they are."""
    paragraphs = [
        part if part[:1] in "#|-" else fill(part, 120, break_long_words=False, break_on_hyphens=False)
        for part in text.strip().split("\n\n")
    ]
    return "\n\n".join(paragraphs) + "\n"
