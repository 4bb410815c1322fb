"""The speed benchmark: the peer, the whole network and the divided one, on one machine in one run.

    EMOPMS_DATA=/data python -m benchmarks.speed            # benchmarks/speed.json and docs/speed.md
    EMOPMS_DATA=/data python -m benchmarks.speed --quick    # one network, a few candidates: runs/speed/

Each device has its own section in the JSON file: a run replaces its device's and leaves the other's as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.speed.breakdown import breakdown
from benchmarks.speed.machine_rate import matrix_rates
from benchmarks.speed.operations import operations
from benchmarks.speed.page import page
from benchmarks.speed.race import race
from benchmarks.speed.subject import Subject, subject
from benchmarks.speed.throughput import throughput
from benchmarks.speed.values import against_cpu, compared
from emopms.network.device import Device

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Size:
    """How much to measure."""

    depths: tuple[int, ...]
    races: tuple[int, ...]
    """The depths for which whole and divided search run to the same hypervolume."""
    population: int
    generations: int
    """Budget of the whole network's search."""
    timed_generations: int
    """Of the search that is taken apart."""
    repeats: int


FULL = Size(depths=(20, 56, 110), races=(20, 56), population=40, generations=30, timed_generations=2, repeats=3)
QUICK = Size(depths=(20,), races=(20,), population=8, generations=3, timed_generations=1, repeats=2)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one network and a few candidates, written to runs/speed/")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--depths", type=int, nargs="+", help="ResNets to measure instead; written to runs/speed/")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    depths = tuple(options.depths or size.depths)
    figures = {
        "command": " ".join(["python -m benchmarks.speed", *sys.argv[1:]]),
        **measured(Device.choose(options.device), size, depths),
    }
    folder = ROOT / "runs" / "speed" if options.quick or options.depths else ROOT
    write(options.device, figures, folder / "benchmarks" / "speed.json", folder / "docs" / "speed.md")


def measured(device: Device, size: Size, depths: tuple[int, ...]) -> dict[str, Any]:
    """All figures of one device."""
    networks: dict[str, Any] = {}
    last: Subject | None = None
    for depth in depths:
        last = subject(depth, device=device, population=size.population, generations=size.generations, images_of=last)
        networks[last.name] = measured_network(last, size)
    assert last is not None
    return {
        "machine": machine() | {"device": str(last.device)},
        "spec": last.contexts["divided"].spec.resolved(),
        "matrix_rates": {
            str(dtype).removeprefix("torch."): matrix_rates(last.device, dtype)
            for dtype in (torch.float32, *((torch.bfloat16,) if last.device.bf16 else ()))
        },
        "networks": networks,
    }


def measured_network(network: Subject, size: Size) -> dict[str, Any]:
    say(f"{network.name}: candidates a second")
    rates, peer = throughput(network, repeats=size.repeats)
    say(f"{network.name}: {rates['candidates_a_second']}; values")
    figures = {"throughput": rates, "values": compared(network, peer[:, 0])}
    if network.device.type == "cuda":
        figures["values"]["cuda_against_cpu"] = against_cpu(network)
    say(f"{network.name}: where the time goes")
    figures["breakdown"] = {way: breakdown(network, way, size.timed_generations) for way in network.contexts}
    figures["operations"] = {way: operations(network, way) for way in network.contexts}
    if network.depth in size.races:
        say(f"{network.name}: seconds to the same hypervolume")
        figures["race"] = race(network)
    return figures


def write(device: str, figures: dict[str, Any], json_file: Path, page_file: Path) -> None:
    """Put the figures in their device's place, and write the page anew."""
    for file in (json_file, page_file):
        file.parent.mkdir(parents=True, exist_ok=True)
    sections = json.loads(json_file.read_text()) if json_file.exists() else {}
    sections[device] = figures
    json_file.write_text(json.dumps(sections, indent=2) + "\n")
    page_file.write_text(page(sections))
    say(f"{json_file} and {page_file} are written")


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
