"""The speed benchmark's own arithmetic, and that it measures the same thing three times."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks.speed import breakdown
from benchmarks.speed.__main__ import joined, main
from benchmarks.speed.clock import Clock, Peak, watching
from benchmarks.speed.deepen import deepened
from benchmarks.speed.machine_rate import fastest
from benchmarks.speed.operations import kind_of
from benchmarks.speed.page import page, table
from benchmarks.speed.peer import Peer
from benchmarks.speed.race import Standing, median_of, race
from benchmarks.speed.subject import TRAINING, spec_of
from benchmarks.speed.throughput import summary
from benchmarks.speed.values import agreement, difference
from emopms.builtin.nets.resnet import ResNetCifar
from emopms.network.costs.cost_model import count
from emopms.network.inference.evaluator import Evaluator
from emopms.network.partition.subnetwork import subnetworks_of
from emopms.network.runtime.device import Device

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


def small(depth: int = 8) -> ResNetCifar:
    """With batch norms that do something."""
    torch.manual_seed(0)
    network = ResNetCifar(depth, width=4, channels=3, classes=10)
    with torch.no_grad():
        network.train()(torch.randn(64, 3, 8, 8))
    return network.eval()


def ticking(*times: float) -> Callable[[], float]:
    return iter(times).__next__


def test_time_is_counted_where_it_is_spent_and_only_there() -> None:
    clock = Clock(ticking(0, 1, 3, 7, 8))  # made, outer begins, inner begins, inner ends, outer ends
    with clock.within("outer"), clock.within("inner"):
        pass
    assert clock.seconds == {"outer": 3, "inner": 4}


def test_a_part_that_raises_is_still_closed() -> None:
    clock = Clock(ticking(0, 1, 2, 5, 6))
    with pytest.raises(ValueError, match="no"), clock.within("failed"):
        raise ValueError("no")
    with clock.within("next"):
        pass
    assert clock.seconds == {"failed": 1, "next": 1}


def test_a_function_is_watched_for_a_while_only() -> None:
    clock = Clock()
    with watching(clock, {"json": ["json:dumps"]}):
        assert json.dumps([1]) == "[1]"
    seconds = clock.seconds["json"]
    json.dumps([1])
    assert 0 < seconds == clock.seconds["json"]


def test_a_function_that_was_moved_is_no_silent_zero() -> None:
    with pytest.raises(AttributeError, match="dumped"), watching(Clock(), {"json": ["json:dumped"]}):
        pass


def test_what_the_breakdown_watches_is_called_by_an_evaluation() -> None:
    (sub,) = subnetworks_of(small(), [], torch.zeros(2, 3, 8, 8))
    clock = Clock()
    with watching(clock, breakdown.POINTS):
        Evaluator(sub).run(torch.randn(4, 3, 8, 8), sub.dense)
    assert clock.seconds["forward"] > 0
    assert clock.seconds["slicing"] > 0


def test_memory_is_seen_where_it_is_held() -> None:
    before = Peak(Device("cpu")).bytes()
    peak = Peak(Device("cpu"))
    held = torch.ones(64 * 2**20)  # 256 MiB
    assert peak.bytes() - before > 200 * 2**20
    del held


def test_ratios_are_taken_within_a_repeat() -> None:
    calm = {"peer": [1.0], "whole": [0.1], "divided": [0.1, 0.05, 0.05]}
    busy = {way: [10 * seconds for seconds in parts] for way, parts in calm.items()}
    figures = summary([calm, busy, calm])
    assert figures["times_the_peer"] == pytest.approx({"whole": 10, "divided": 15})
    assert figures["candidates_a_second"] == pytest.approx({"peer": 1, "whole": 10, "divided": 15})


def test_differences() -> None:
    values, reference = np.array([1.0, 2.2, 4.0]), np.array([1.0, 2.0, 4.1])
    assert difference(values, reference) == pytest.approx({"absolute": 0.2, "relative": 0.1})
    assert agreement(values, reference)["spearman"] == pytest.approx(1)
    assert agreement(-values, reference)["spearman"] == pytest.approx(-1)


def test_medians_of_races() -> None:
    runs = [
        Standing(4, 2, evaluations, volume, {"evolve": seconds, "refine": 1.0, "measure": 2.0}, (volume,))
        for evaluations, volume, seconds in ((100, 0.5, 9.0), (90, 0.7, 7.0), (110, 0.6, 20.0))
    ]
    assert median_of(runs) == Standing(4, 2, 100, 0.6, {"evolve": 9.0, "refine": 1.0, "measure": 2.0}, (0.5, 0.7, 0.6))
    assert median_of(runs).search == 10.0


def test_ways_race_by_turns_and_the_first_that_is_as_good_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The divided one is as good with its second budget, the cheapest of those that are."""
    found = {("whole", (2, 0)): (0.4, 20.0), ("whole", (9, 0)): (0.6, 90.0)}
    found |= {("divided", (1, 1)): (0.5, 3.0), ("divided", (2, 1)): (0.7, 9.0), ("divided", (3, 3)): (0.8, 30.0)}
    asked = []

    def standing(subject: Any, way: Any, seed: int, budget: tuple[int, int]) -> Standing:
        asked.append((seed, way, budget))
        volume, seconds = found[way, budget]
        return Standing(*budget, 40, volume, {"evolve": seconds, "measure": 5.0}, (volume,))

    monkeypatch.setattr("benchmarks.speed.race.standing", standing)
    whole = SimpleNamespace(spec=spec_of(20, population=4, generations=9))
    result = race(
        cast("Any", SimpleNamespace(contexts={"whole": whole})),
        seeds=(0, 1),
        whole=(2,),
        divided=((1, 1), (2, 1), (3, 3)),
    )
    assert asked == [(seed, *each) for seed in (0, 1) for each in found]
    assert result["share"] == pytest.approx(0.1)
    assert [run["hypervolume"] for run in result["divided"]] == [0.5, 0.7, 0.8]


@pytest.mark.parametrize("arguments", ["--depths 110 --only race", "--depths 44", "--quick --only trained_race"])
def test_what_is_never_measured_is_refused(arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks.speed", *arguments.split()])
    with pytest.raises(SystemExit, match="2"):
        main()


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("aten::mkldnn_convolution", "convolution"),
        ("aten::native_batch_norm", "batch norm"),
        ("aten::relu", "sums and activations"),
        ("aten::copy_", "layout and number format"),
        ("aten::index_select", "slicing"),
        ("aten::pow", "other operations"),
    ],
)
def test_kinds_of_operations(operation: str, kind: str) -> None:
    assert kind_of(operation) == kind


def test_a_deeper_network_computes_the_same_where_its_blocks_hardly_change_it() -> None:
    network, images = small(20), torch.randn(8, 3, 8, 8)
    with torch.no_grad():
        for name, module in network.named_modules():
            if name.endswith("bn2"):
                module.weight *= 1e-2
                module.bias *= 1e-2
        deeper = deepened(network, 38)
        assert count(deeper, images).macs == count(ResNetCifar(38, width=4, channels=3, classes=10), images).macs
        torch.testing.assert_close(deeper(images), network(images), rtol=1e-2, atol=1e-2)


def test_the_peer_computes_what_we_compute() -> None:
    network, images, labels = small(), torch.randn(16, 3, 8, 8), torch.arange(16) % 10
    (sub,) = subnetworks_of(network, [], images[:2])
    rng = np.random.default_rng(0)
    genomes = sub.repair(rng.random((4, sub.channels.genes)) < 0.5, rng.random(sub.channels.genes))
    peer = Peer(network, [(group.name, group.size) for group in sub.channels.groups], images, labels)
    evaluator = Evaluator(sub, batch_statistics=False)
    ours = [float(F.cross_entropy(evaluator.run(images, genome), labels)) for genome in genomes]
    np.testing.assert_allclose(peer.evaluate(genomes)[:, 0], ours, rtol=1e-5)


def test_a_table() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def some_figures() -> dict[str, Any]:
    """As the command writes them, with numbers that can be told apart."""
    part = {"seconds": 0.05, "macs": 5e6, "dense_macs": 1e7, "genes": 48}
    searched = {"evaluations": 40, "numbers": "fp32", "candidates": {"flops": 6e10}, "dense": {"flops": 8e10}}
    run = {
        "generations": 30,
        "refined": 0,
        "evaluations": 1200,
        "hypervolume": 0.5,
        "hypervolumes": [0.5, 0.4, 0.6],
        "seconds": {"evolve": 90.0, "rank": 5.0, "join": 0.0, "refine": 0.0, "measure": 10.0},
    }
    seconds = {"evolve": 6.0, "rank": 5.0, "join": 1.0, "refine": 2.0, "measure": 10.0}
    quick = run | {"generations": 1, "refined": 2, "evaluations": 120, "seconds": seconds}
    network = {
        "throughput": {
            "candidates_a_second": {"peer": 1.0, "whole": 8.0, "divided": 25.0},
            "times_the_peer": {"whole": 8.25, "divided": 25.75},
            "peak_bytes": dict.fromkeys(("peer", "whole", "divided"), 2**30),
            "evaluations": {"whole": [part], "divided": [part] * 3},
        },
        "values": {"against_peer": {"fp32": {"relative": 2e-7}}},
        "breakdown": {
            way: {"seconds": {"forward": 9.0, "other": 1.0}, "subnetworks": [searched] * parts}
            for way, parts in (("whole", 1), ("divided", 3))
        },
        "operations": {way: {"convolution": 0.6, "batch norm": 0.4} for way in ("whole", "divided")},
        "race": {"whole": [run | {"generations": 6}, run], "divided": [quick], "share": None},
        "trained_race": {
            "training": {"seconds": 263.0, "before": {"accuracy": 0.8}, "after": {"accuracy": 0.9}},
            "whole": [run],
            "divided": [quick | {"generations": 7}],
            "share": 0.15,
        },
        "load": 0.0,
    }
    return {
        "machine": {"cpu": "some CPU", "threads": 2, "device": "cpu, fp32", "torch": "2"},
        "spec": spec_of(20, population=40, generations=30).resolved(),
        "training": TRAINING,
        "matrix_rates": {"fp32": {"1024×1024×1024": 1e11}},
        "networks": {"ResNet-20": network},
    }


def test_the_page() -> None:
    text = page({"cpu": some_figures()})
    assert "| ResNet-20 | 1.00 | 8.00 | 25.00 | 8.2 | 25.8 | 1,024 / 1,024 / 1,024 |" in text
    assert "| ResNet-20 | 2.0e-07 | not used | not used | not used |" in text
    assert "| whole network | 6 + 0 |" in text
    assert "| whole network | 30 + 0 | 1,200 | 95 (90 + 5 + 0 + 0) | 10 | 0.500 (0.400–0.600) | 1.00 (1.00) |" in text
    assert "| three sub-networks | 1 + 2 | 120 | 14 (6 + 5 + 1 + 2) | 10 | 0.500 (0.400–0.600) | 0.15 (0.23) |" in text
    assert "| three sub-networks | 7 + 2 | 120 | 14 (6 + 5 + 1 + 2) |" in text
    published = text.index("With the published weights:")
    assert (
        "263 s for ResNet-20, whose accuracy on unseen images is 80.0% before and 90.0% after the training."
        in unwrapped(text)
    )
    reached = unwrapped(text[:published])
    assert "On ResNet-20, divided search reaches the median hypervolume of whole-network search in 0.15 of" in reached
    assert "On ResNet-20, divided search does not reach" in unwrapped(text[published:])
    assert "| ResNet-20 | whole network | 90.0% | 10.0% |" in text
    assert "| ResNet-20 | 2 of 3 | 10.0 | 5.0 | 50.0 | 10.00 | fp32 | 60% | 80% |" in text
    assert "because no such device was available. `make bench-speed DEVICE=cuda` adds them." in text
    assert all(len(line) <= 120 for line in text.splitlines() if line[:1] != "|")


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def test_the_page_is_that_of_the_stored_figures() -> None:
    assert page(json.loads((ROOT / "benchmarks/speed.json").read_text())) == (ROOT / "docs/speed.md").read_text()


def test_networks_are_measured_one_by_one() -> None:
    same: dict[str, Any] = {
        "machine": "a",
        "training": {"epochs": 1},
        "spec": {"name": "speed-resnet110", "points": 12},
    }
    networks = {"ResNet-110": {"rates": 1}, "ResNet-56": {"rates": 1, "race": 1}}
    first = same | {"matrix_rates": {"fp32": {"x": 1.0}}, "networks": networks}
    again = same | {"matrix_rates": {"fp32": {"x": 2.0}}, "networks": {"ResNet-56": {"rates": 2}}}
    again["spec"] = again["spec"] | {"name": "speed-resnet56"}
    both = joined(first, again)
    assert both["matrix_rates"] == {"fp32": {"x": 2.0}}
    assert list(both["networks"].items()) == [("ResNet-56", {"rates": 2, "race": 1}), ("ResNet-110", {"rates": 1})]
    assert joined(both, again | {"machine": "b"})["networks"] == {"ResNet-56": {"rates": 2}}
    assert joined(both, again | {"training": {"epochs": 2}})["networks"] == {"ResNet-56": {"rates": 2}}
    assert joined(both, again | {"spec": {"points": 9}})["networks"] == {"ResNet-56": {"rates": 2}}


def test_the_machine_is_as_fast_as_it_ever_was() -> None:
    measured = [{"bf16": {"a": 1.0, "b": 5.0}}, {"bf16": {"a": 2.0, "b": 3.0}, "int8": {"a": 9.0}}]
    assert fastest({}, *measured) == {"bf16": {"a": 2.0, "b": 5.0}, "int8": {"a": 9.0}}
