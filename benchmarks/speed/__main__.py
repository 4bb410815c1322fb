"""The speed benchmark: compares the peer, whole-network search and divided search on one machine.

    EMOPMS_DATA=/data python -m benchmarks.speed                # benchmarks/speed.json and docs/speed.md
    EMOPMS_DATA=/data python -m benchmarks.speed --depths 56    # only one network
    EMOPMS_DATA=/data python -m benchmarks.speed --depths 56 --only race    # only one of `KINDS`
    EMOPMS_DATA=/data python -m benchmarks.speed --quick        # a few candidates, written to runs/speed/

The JSON file has one section per device, with one entry per network. Figures are written as soon as they are measured;
other figures of the same machine stay. Each measurement has its own process, because the time of memory allocation,
which the peer uses a lot, depends on the history of the process. Constraint training for ``trained_race`` is stored in
runs/speed/ and done once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import machine
from benchmarks.speed.breakdown import breakdown
from benchmarks.speed.machine_rate import fastest, matrix_rates
from benchmarks.speed.operations import operations
from benchmarks.speed.page import page
from benchmarks.speed.race import race
from benchmarks.speed.subject import TRAINING, subject, trained_by_constraints
from benchmarks.speed.throughput import throughput
from benchmarks.speed.values import against_cpu, compared
from emopms.network.runtime.device import Device

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.speed.subject import Subject

KINDS = ("rates", "race", "trained_race")
"""The kinds of measurement. The last two compare whole-network and divided search, with published weights and after
constraint training."""

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Size:
    """The extent of the benchmark."""

    depths: Mapping[str, tuple[int, ...]]
    """Depths of the networks to measure, for each of `KINDS`."""
    population: int
    """Population size of all searches."""
    generations: int
    """Full budget of whole-network search, in generations."""
    timed_generations: int
    """Generations of the search whose time is broken down."""
    streamed_generations: int
    """Generations of the searches whose candidates per second are compared."""
    seeds: tuple[int, ...]
    """Seeds of the races."""
    whole: tuple[int, ...]
    """Smaller budgets of whole-network search, in generations, ascending."""
    divided: tuple[tuple[int, int], ...]
    """Budgets of divided search: generations per sub-network, and generations of refinement."""


FULL = Size(
    depths={"rates": (20, 56, 110), "race": (20, 56), "trained_race": (20, 56)},
    population=40,
    generations=100,
    timed_generations=12,
    streamed_generations=8,
    seeds=(0, 1, 2),
    whole=(20,),
    divided=((2, 4), (3, 6)),
)
QUICK = Size(
    depths={"rates": (20,), "race": (20,), "trained_race": ()},
    population=8,
    generations=3,
    timed_generations=1,
    streamed_generations=2,
    seeds=(0, 1),
    whole=(1,),
    divided=((1, 1), (3, 2)),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one network and a few candidates, written to runs/speed/")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--depths", type=int, nargs="+", help="ResNets to measure")
    parser.add_argument("--only", choices=KINDS, help="the only kind to measure; figures of other kinds stay")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    jobs = [
        (depth, kind)
        for depth in sorted({depth for depths in size.depths.values() for depth in depths})
        for kind in KINDS
        if depth in size.depths[kind] and depth in (options.depths or [depth]) and kind == (options.only or kind)
    ]
    if not jobs:
        parser.error(f"there is nothing to measure; there are {dict(size.depths)}")
    if len(jobs) == 1:
        measure(Device.choose(options.device), *jobs[0], size, ROOT / "runs" / "speed" if options.quick else ROOT)
        return
    for depth, kind in jobs:
        same = ["--device", options.device, *(["--quick"] if options.quick else [])]
        command = [sys.executable, "-m", "benchmarks.speed", "--depths", str(depth), "--only", kind, *same]
        subprocess.run(command, check=True)


def measure(device: Device, depth: int, kind: str, size: Size, folder: Path) -> None:
    """Measure one of `KINDS` for one network and write the figures to ``folder``.

    Raises:
        SystemExit: A race was asked for before the rates were measured with the same settings on the same machine.
    """
    load = os.getloadavg()[0]
    network = subject(depth, device=device, population=size.population, generations=size.generations)
    new: dict[str, Any] = {
        "machine": machine() | {"device": str(device)},
        "spec": network.contexts["divided"].spec.resolved(),
        "training": TRAINING,
        "matrix_rates": {},
        "networks": {},
    }
    json_file = folder / "benchmarks" / "speed.json"
    if kind == "rates":
        # The machine's peak rate is measured before and after, so that other processes do not make it seem too low.
        before = matrix_rates(device)
        figures = {"load": load, **measured_rates(network, size)}
        new["matrix_rates"] = fastest(before, matrix_rates(device))
    elif network.name not in joined(stored(json_file).get(device.type), new)["networks"]:
        raise SystemExit(
            f"There are no rates of {network.name} with these settings on this machine: run --only rates first."
        )
    elif kind == "race":
        figures = {kind: raced(network, size)}
    else:
        say(f"{network.name}: constraint training")
        trained, training = trained_by_constraints(network, ROOT / "runs" / "speed" / network.name.lower())
        figures = {kind: {"training": training, **raced(trained, size)}}
    new["networks"] = {network.name: figures}
    sections = stored(json_file)  # other figures may have been written meanwhile
    sections[device.type] = joined(sections.get(device.type), new)
    write(sections, json_file, folder / "docs" / "speed.md")


def raced(network: Subject, size: Size) -> dict[str, Any]:
    say(f"{network.name}: seconds to the same hypervolume")
    return race(network, seeds=size.seeds, whole=size.whole, divided=size.divided)


def measured_rates(network: Subject, size: Size) -> dict[str, Any]:
    say(f"{network.name}: candidates a second")
    rates, candidates = throughput(network, generations=size.streamed_generations)
    say(f"{network.name}: {rates['candidates_a_second']}; values")
    figures: dict[str, Any] = {"throughput": rates, "values": compared(network, candidates)}
    if network.device.type == "cuda":
        figures["values"]["cuda_against_cpu"] = against_cpu(network)
    say(f"{network.name}: where the time goes")
    figures["breakdown"] = {way: breakdown(network, way, size.timed_generations) for way in network.contexts}
    figures["operations"] = {way: operations(network, way) for way in network.contexts}
    return figures


def stored(file: Path) -> dict[str, Any]:
    """Read the figures measured so far, by device."""
    sections: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return sections


def write(sections: dict[str, Any], json_file: Path, page_file: Path) -> None:
    """Write all figures and the page."""
    for file in (json_file, page_file):
        file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(json.dumps(sections, indent=2) + "\n")
    page_file.write_text(page(sections))
    say(f"{json_file} and {page_file} are written")


def joined(known: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """Merge new figures into the section of a device. Figures of another machine or of other settings are dropped."""
    if known is None or _settings(known) != _settings(new):
        return new
    networks = dict(known["networks"])
    for name, figures in new["networks"].items():
        networks[name] = networks.get(name, {}) | figures
    return new | {
        "matrix_rates": fastest(known["matrix_rates"], new["matrix_rates"]),
        "networks": dict(sorted(networks.items(), key=lambda network: int(network[0].partition("-")[2]))),
    }


def _settings(figures: dict[str, Any]) -> tuple[Any, ...]:
    """Return the machine and all settings except the network."""
    spec = {key: value for key, value in figures["spec"].items() if key not in ("name", "backbone")}
    return figures["machine"], figures["training"], spec


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
