"""Writes ``docs/speed.md`` from the figures of ``benchmarks/speed.json``."""

from __future__ import annotations

from textwrap import fill
from typing import Any

_WAYS = {"whole": "whole network", "divided": "three sub-networks"}


def page(sections: dict[str, Any]) -> str:
    """Return the text of the page.

    Args:
        sections: Figures by device, ``cpu`` and ``cuda``; either may be missing.
    """
    first = next(iter(sections.values()))
    budget = first["spec"]["algorithm"]
    text = f"""# Speed

Made by `make bench-speed`; the figures are in [benchmarks/speed.json](../benchmarks/speed.json). The networks
are CIFAR ResNets, in which the inner channels of blocks are pruned. Candidates are evaluated on
{first["spec"]["data"]["calibration"]} images, in three ways that are timed in turn:

- *peer*: pymoo and Torch-Pruning in their usual combination. For each candidate: a deep copy of the whole network, a
  dependency graph, surgery, and a forward pass in fp32 and PyTorch's default layout.
- *whole network*: emopms with `split: []`.
- *three sub-networks*: emopms with `split: [layer1, layer2]`. A candidate is a genome of one sub-network. The rate is
  the number of candidates of all three sub-networks, divided by their total time.

The candidates are those of searches with a population of {budget["pop_size"]}, generation by generation. The peer
evaluates some of the candidates of the whole network. Times, and ratios within a generation, are medians over
generations. emopms computes the layers that candidates share only once; this is part of the measured rate. emopms also
re-estimates batch norm for every candidate; the peer does not. ResNet-20 and ResNet-56 have their published weights.
ResNet-110 is ResNet-56 with each block divided into smaller steps. On the CPU, the peer spends much of its time on
allocating memory for each feature map of 512 images. glibc can be set to keep this memory (`MALLOC_TRIM_THRESHOLD_`,
`MALLOC_MMAP_THRESHOLD_`), which can make the peer much faster. All figures except the races have one seed
({first["spec"]["seed"]}).

{section("CPU", sections["cpu"]) if "cpu" in sections else absent("CPU", "make bench-speed")}

{section("CUDA", sections["cuda"]) if "cuda" in sections else absent("CUDA", "make bench-speed DEVICE=cuda")}
"""
    return wrapped(text)


def absent(device: str, command: str) -> str:
    """Return the section of a device without figures."""
    return f"## {device}\n\nThere are no figures, because no such device was available. `{command}` adds them."


def section(title: str, figures: dict[str, Any]) -> str:
    """Return the section of one device, with all its tables."""
    where, networks = figures["machine"], figures["networks"]
    peaks = {kind: max(rates.values()) for kind, rates in figures["matrix_rates"].items()}
    fastest = ", ".join(
        f"{peak / 1e9:,.0f} G{'' if kind == 'int8' else 'FL'}OP/s in {kind}" for kind, peak in peaks.items()
    )
    parts = [
        f"## {title}",
        f"Machine: {where['cpu']}, {where['threads']} threads, device {where['device']}, torch {where['torch']}. "
        "The load of the machine before measuring candidates per second was at most "
        f"{max(each['load'] for each in networks.values()):.1f}, including the load of the preceding measurements.",
        "### Candidates a second",
        rates_table(networks),
        "Peak memory is that of the whole process on the CPU, and that of all tensors on a GPU. It includes the images "
        "and the memory that the other two hold at the same time.",
        "### The same values",
        values_table(networks),
        "The first columns give the largest relative difference between the losses of emopms and of the peer, for the "
        "whole network and the same candidates, both with the dense network's batch-norm statistics. Spearman's rank "
        "correlation compares the losses that a search uses with those in fp32; the table gives the lowest of all "
        "sub-networks.",
        "### Seconds to the same hypervolume",
        "Whole-network search runs with its full budget, the largest in the table, and divided search with smaller "
        "budgets: generations per sub-network, and generations that refine the joint schemes. Hypervolumes are those "
        f"of the joint fronts on {figures['spec']['data']['validation']:,} images that no search uses: medians over "
        f"{seeds(networks)} seeds, and their range. The first generation is the initial population, and the first "
        "generation of refinement is the joint schemes, so a search with 1 + 1 generations only selects and combines "
        "candidates. The search consists of all stages up to `refine`. After it, `measure` evaluates "
        f"{figures['spec']['schemes']} networks of each search.",
        *trained_races(networks, figures["training"]),
        "With the published weights:",
        races_table(networks, "race"),
        reached(networks, "race"),
        "### Where the time of a search goes",
        breakdown_table(networks),
        "`forward` is the time of the candidates' forward passes. `criterion` compares features; on large maps it uses "
        "every second row. `sampling` draws the initial population, which needs its own forward and backward passes.",
        operations_table(networks),
        "The table gives shares of the time to evaluate a population, measured by PyTorch's profiler.",
        "### Arithmetic",
        "The machine's rate is that of the fastest of several matrix products with one thread, which each candidate "
        f"also has: {fastest}. A multiply–accumulate counts as two operations. Seconds and MACs are those of the "
        "candidates above, which share computation. Rates are those of the initial population without shared "
        "computation, and of the dense sub-network.",
        arithmetic_table(networks, peaks),
    ]
    if "cuda_against_cpu" in next(iter(networks.values()))["values"]:
        worst = max(network["values"]["cuda_against_cpu"] for network in networks.values())
        parts.append(f"Losses in fp32 differ from the CPU's by a relative difference of at most {worst:.1e}.")
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
            "generations + refinement",
            "evaluations",
            "seconds (evolve + rank + join + refine)",
            "seconds to measure",
            "hypervolume (range)",
            "share of the full budget's seconds (with measure)",
        ],
        rows,
    )


def trained_races(networks: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """Return the paragraphs on races after constraint training; none if there are no such races."""
    if not races(networks, "trained_race"):
        return []
    constraint = settings["constraint"]
    spent = "; ".join(
        f"{training['seconds']:.0f} s for {name}, whose accuracy on unseen images is "
        f"{training['before']['accuracy']:.1%} before and {training['after']['accuracy']:.1%} after the training"
        for name, training in ((name, race["training"]) for name, race in races(networks, "trained_race"))
    )
    return [
        "Both searches start from the same network. In the first table, it is the network after constraint training, "
        f"as in a normal run (`constraint: {constraint['name']}`, learning rate {constraint['lr']}, epochs: "
        f"{constraint['epochs']}). This prepares the sub-networks for pruned neighbours, and adapts the network to the "
        f"JPEG images. The time of the training is not included: {spent}.",
        races_table(networks, "trained_race"),
        reached(networks, "trained_race"),
    ]


def races(networks: dict[str, Any], kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the races of one kind, by network."""
    return [(name, figures[kind]) for name, figures in networks.items() if kind in figures]


def seeds(networks: dict[str, Any]) -> int:
    """Return the number of seeds of the races."""
    return max((len(race["whole"][-1]["hypervolumes"]) for _, race in races(networks, "race")), default=0)


def reached(networks: dict[str, Any], kind: str) -> str:
    """Return the time in which divided search is as good as whole-network search, as one sentence per network."""
    return " ".join(
        f"On {name}, divided search reaches the median hypervolume of whole-network search in {race['share']:.2f} of "
        "its time."
        if race["share"] is not None
        else f"On {name}, divided search does not reach the median hypervolume of whole-network search."
        for name, race in races(networks, kind)
    )


def breakdown_table(networks: dict[str, Any]) -> str:
    rows, names = [], list(next(iter(networks.values()))["breakdown"]["whole"]["seconds"])
    for name, figures in networks.items():
        for way, label in _WAYS.items():
            seconds = figures["breakdown"][way]["seconds"]
            rows.append([name, label, *(f"{seconds[part] / sum(seconds.values()):.1%}" for part in names)])
    return table(["", "search", *("criterion" if name == "judge" else name for name in names)], rows)


def operations_table(networks: dict[str, Any]) -> str:
    rows, names = [], list(next(iter(networks.values()))["operations"]["whole"])
    for name, figures in networks.items():
        for way, label in _WAYS.items():
            rows.append([name, label, *(f"{figures['operations'][way][kind]:.0%}" for kind in names)])
    return table(["", "search", *names], rows)


def arithmetic_table(networks: dict[str, Any], peaks: dict[str, float]) -> str:
    """Return the table of evaluations per sub-network: seconds, MACs, and the rate of forward passes."""
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
        "ms per evaluation",
        "ns per MAC",
        "numbers",
        "of the machine's rate",
    ]
    return table([*heads, "dense"], rows)


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def wrapped(text: str) -> str:
    """Fill the paragraphs to 120 columns. Headings, tables and lists stay unchanged."""
    paragraphs = [
        part if part[:1] in "#|-" else fill(part, 120, break_long_words=False, break_on_hyphens=False)
        for part in text.strip().split("\n\n")
    ]
    return "\n\n".join(paragraphs) + "\n"
