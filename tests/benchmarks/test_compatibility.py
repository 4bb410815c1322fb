"""The command behind docs/compatibility.md does not rot: its rows for tiny networks, right ones and wrong ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.compatibility import page, pruning, row
from benchmarks.compatibility.__main__ import measured
from benchmarks.compatibility.counter import counted
from benchmarks.compatibility.networks import Network
from emopms.network.channels.table import Channels
from emopms.network.costs.cost_model import count
from emopms.network.partition.subnetwork import subnetworks_of

SMALL: dict[str, Any] = {"name": "small_resnet", "widths": [8, 16]}


@pytest.fixture(autouse=True)
def _timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row, "TIMING_S", 0.0)


def network(name: str, size: int, backbone: dict[str, Any] | None = None) -> Network:
    return Network(name, size, 10, backbone or {})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size", "backbone"), [("small", 12, SMALL), ("test_vit", 32, None)])
def test_a_network_is_pruned_and_the_page_says_so(name: str, size: int, backbone: Any) -> None:
    steps = []
    found = row.examine(network(name, size, backbone), lambda found: steps.append(found["step"]))
    assert found["result"] == "pruned", found
    assert steps == [
        "build",
        "count",
        "divide",
        "prune",
        "surgery",
        "train",
        *(f"export {e.name}" for e in row.EXPORTERS),
        "time",
    ]
    assert 0.3 * found["macs"] < found["pruned_macs"] <= 0.5 * found["macs"]
    assert found["masked"] < 1e-9 < found["effect"]
    assert all(export["error"] < 1e-4 for export in found["exports"].values())
    assert set(found["latency"]) == {"1", "16"}
    text = page_of([found])
    assert "**1 networks: 1 pruned, 0 refused, 0 wrong, 0 hanging.**" in text
    assert f"| {name} | {size} | pruned |" in text


def page_of(rows: list[dict[str, Any]]) -> str:
    where = {"cpu": "any", "threads": 1, "torch": "2", "timm": "1", "onnx": "1", "onnxruntime": "1"}
    figures = {"command": "", "machine": where, "seed": 0, "time_limit_s": 1, "networks": rows}
    return page.page(figures)


@pytest.mark.slow
def test_a_refusal_is_a_row_with_the_reason() -> None:
    found = row.examine(network("pinned", 8, {"name": "module", "factory": f"{__name__}:pinned"}))
    assert found["result"] == "refused"
    assert "no channel that could be pruned" in found["reason"]
    assert " ".join(found["reason"].split()) in " ".join(page_of([found]).split())


def pinned() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 10))


@pytest.mark.slow
def test_a_table_that_ties_the_wrong_channels_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sliced evaluation and surgery go by the same table and agree; the network with zeros does not."""

    def confused(*args: Any, **options: Any) -> Any:
        subnetworks = subnetworks_of(*args, **options)
        for sub in subnetworks:
            table: Channels = sub.channels
            dims = {name: dict(by_dim) for name, by_dim in table.dims.items()}
            (name, genes), *_ = [(n, d[1]) for n, d in dims.items() if 1 in d]
            dims[name][1] = genes[::-1].copy()
            sub.channels = Channels(table.groups, dims, table.layers, table.pinned, table.uncounted)
        return subnetworks

    for module in (row, pruning):
        monkeypatch.setattr(module, "subnetworks_of", confused)
    found = row.examine(network("small", 12, SMALL))
    assert found["result"] == "wrong"
    assert "the masked and the pruned network are" in found["reason"]


@pytest.mark.slow
def test_a_counter_that_is_off_by_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row, "count", lambda *args: type(count(*args))(count(*args).macs + 1, 1, ()))
    found = row.examine(network("small", 12, SMALL))
    assert (found["result"], found["step"]) == ("wrong", "count")


def test_what_takes_too_long_is_a_row_that_says_so() -> None:
    found = measured("ResNet-20", limit=0.5)
    assert (found["result"], found["step"]) == ("hung", "start")
    assert "not done after" in found["reason"]


@pytest.mark.slow
def test_a_process_that_dies_is_a_row_that_says_so() -> None:
    found = measured("no such network", limit=60)
    assert found["result"] == "wrong"
    assert "ValueError" in found["reason"]


def test_the_counter_tells_layers_functions_and_products_apart() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 4, 3, groups=1), nn.Linear(4, 5)
            self.weight = nn.Parameter(torch.randn(7, 5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.linear(self.conv(x).flatten(2).transpose(1, 2))  # [N, 36, 5]
            return nn.functional.linear(x @ x.transpose(1, 2) @ x, self.weight).mean(1)

    found = counted(Mixed(), torch.zeros(2, 3, 8, 8))
    assert found.layers == 36 * 4 * 27 + 36 * 4 * 5
    assert found.functions == {"Mixed": 36 * 5 * 7}
    assert found.products == {"bmm": 2 * 36 * 36 * 5}
