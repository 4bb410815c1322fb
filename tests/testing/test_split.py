from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import torch

from emopms.api import Split
from emopms.network import NO_LIMITS
from emopms.testing import SplitConformance
from tests.testing.broken import Broken, component

if TYPE_CHECKING:
    from pathlib import Path

CALLS = count()


def split(find: Any) -> Any:
    return component(
        Split, find=lambda self, network, example, *, prune_residual=False, limits=NO_LIMITS: find(network, example)
    )


def with_effect(effect: Any) -> Any:
    def find(network: Any, example: Any) -> list[str]:
        effect(network, example)
        return ["stage1"]

    return split(find)


def one_of_two(chance: float) -> list[str]:
    return ["stage1"] if chance < 0.5 else ["stage2"]


POINTS, PARTS = "points_are_modules_of_the_network", "the_parts_compose_to_the_network"
SAME, ALONE = "the_same_network_gives_the_same_points", "leaves_the_network_alone"
BROKEN = [
    Broken(POINTS, split(lambda n, x: ("stage1",)), "returned a tuple"),
    Broken(POINTS, split(lambda n, x: ["stage1", "stage9"]), r"\['stage9'\], which are not among"),
    Broken(PARTS, split(lambda n, x: ["stage2", "stage1"]), "leaves nothing between"),
    Broken(PARTS, split(lambda n, x: ["stage3"]), "no channel that could be pruned"),
    Broken(PARTS, split(lambda n, x: ["stage1.first"]), "second tensor crosses"),
    Broken(SAME, split(lambda n, x: one_of_two(float(torch.rand(())))), "use no randomness"),
    Broken(SAME, split(lambda n, x: one_of_two(next(CALLS) % 2)), "use no randomness"),
    Broken(ALONE, with_effect(lambda n, x: n.train()), "changed the network: mode of"),
    Broken(ALONE, with_effect(lambda n, x: n.stem.add_module("more", torch.nn.Linear(1, 1))), "parameters and buffers"),
    Broken(ALONE, with_effect(lambda n, x: x.zero_()), "changed the images"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(SplitConformance, tmp_path)


def test_a_split_may_bring_the_network_that_it_knows() -> None:
    class OfAnother(SplitConformance):
        component = split(lambda network, example: ["0"])

        def network(self) -> torch.nn.Module:
            torch.manual_seed(0)
            blocks = [torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.Conv2d(2, 1, 1)) for _ in range(2)]
            return torch.nn.Sequential(*blocks)

        def example(self) -> torch.Tensor:
            return torch.ones(2, 1, 4, 4)

    suite = OfAnother()
    suite.test_points_are_modules_of_the_network()
    suite.test_the_parts_compose_to_the_network()
