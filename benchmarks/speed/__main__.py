"""The speed benchmark: the peer, the whole network and the divided one, on one machine in one run.

    EMOPMS_DATA=/data python -m benchmarks.speed                # benchmarks/speed.json and docs/speed.md
    EMOPMS_DATA=/data python -m benchmarks.speed --depths 56    # one network of them anew
    EMOPMS_DATA=/data python -m benchmarks.speed --depths 56 --only race    # one of `KINDS` of it
    EMOPMS_DATA=/data python -m benchmarks.speed --quick        # a few candidates, written to runs/speed/

Each device has its own section in the JSON file, and each network its own in there: what is measured is written at
once, and leaves what was measured before, on the same machine, as it is. Everything is measured in a process of its
own: what memory costs, of which the peer asks for much, depends on what the process has done before. Networks that race
after constraint training are trained below runs/speed/, once.
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
"""What is measured of a network; the last two are races between whole and divided search, with published weights and
after constraint training."""

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Size:
    """How much to measure."""

    depths: Mapping[str, tuple[int, ...]]
    """Of the networks to measure, for each of `KINDS`."""
    population: int
    generations: int
    """Full budget of the whole network's search."""
    timed_generations: int
    """Of the search that is taken apart."""
    streamed_generations: int
    """Of the searches whose candidates a second are compared."""
    seeds: tuple[int, ...]
    """Of the searches that race."""
    whole: tuple[int, ...]
    """Smaller budgets of the whole network's search, in generations, ascending."""
    divided: tuple[tuple[int, int], ...]
    """Budgets of the divided searches that are compared with it: generations a sub-network, and of refining."""


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
    parser.add_argument("--only", choices=KINDS, help="what to measure, of networks of which the rest is measured")
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
    """Measure one of `KINDS` of one network, and write it to ``folder``.

    Raises:
        SystemExit: Races come after rates, measured in the same circumstances.
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
        # The machine's rate is looked for before and after: other processes must not make it seem slower than we are.
        before = matrix_rates(device)
        figures = {"load": load, **measured_rates(network, size)}
        new["matrix_rates"] = fastest(before, matrix_rates(device))
    elif network.name not in joined(stored(json_file).get(device.type), new)["networks"]:
        raise SystemExit(f"{network.name} was not measured like this, on this machine, yet: --only rates comes first.")
    elif kind == "race":
        figures = {kind: raced(network, size)}
    else:
        say(f"{network.name}: constraint training")
        trained, training = trained_by_constraints(network, ROOT / "runs" / "speed" / network.name.lower())
        figures = {kind: {"training": training, **raced(trained, size)}}
    new["networks"] = {network.name: figures}
    sections = stored(json_file)  # others may have been measured meanwhile
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
    """What was measured so far, by device."""
    sections: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return sections


def write(sections: dict[str, Any], json_file: Path, page_file: Path) -> None:
    """Write all figures, and the page that they make."""
    for file in (json_file, page_file):
        file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(json.dumps(sections, indent=2) + "\n")
    page_file.write_text(page(sections))
    say(f"{json_file} and {page_file} are written")


def joined(known: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """A device's section with the networks of another one taken in; what another machine measured is dropped, and what
    was measured otherwise."""
    if known is None or _circumstances(known) != _circumstances(new):
        return new
    networks = dict(known["networks"])
    for name, figures in new["networks"].items():
        networks[name] = networks.get(name, {}) | figures
    return new | {
        "matrix_rates": fastest(known["matrix_rates"], new["matrix_rates"]),
        "networks": dict(sorted(networks.items(), key=lambda network: int(network[0].partition("-")[2]))),
    }


def _circumstances(figures: dict[str, Any]) -> tuple[Any, ...]:
    """On what, and how, but for the network."""
    spec = {key: value for key, value in figures["spec"].items() if key not in ("name", "backbone")}
    return figures["machine"], figures["training"], spec


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
