from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from emopms.api import Backbone
from emopms.testing import BackboneConformance
from tests.testing.broken import Broken, component

if TYPE_CHECKING:
    from pathlib import Path


class Small(nn.Module):
    """A network that is right."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Linear(4, classes)

    def forward(self, x: Any) -> Any:
        return self.last(self.norm(self.first(x)).relu().mean(dim=(2, 3)))


def backbone(build: Any) -> Any:
    """Whose build gets the number of classes only."""
    return component(Backbone, build=lambda self, *, input_shape, classes: build(classes))


def variant(forward: Any) -> Any:
    """Of `Small`, with another forward: (network, images) → scores."""
    return backbone(lambda classes: type("Variant", (Small,), {"forward": forward})(classes))


def after(effect: Any) -> Any:
    """`Small`, built after something else happened."""

    def build(classes: int) -> nn.Module:
        effect()
        return Small(classes)

    return backbone(build)


def frozen(classes: int) -> nn.Module:
    return Small(classes).requires_grad_(False)


def hidden(classes: int) -> nn.Module:
    """Scales its scores by a number drawn once, which is in no state."""
    scale = float(torch.rand(())) + 0.1
    return type("Hidden", (Small,), {"forward": lambda self, x: Small.forward(self, x) * scale})(classes)  # type: ignore[no-any-return]


def drawn_by_numpy(classes: int) -> nn.Module:
    network = Small(classes)
    with torch.no_grad():
        network.last.bias.copy_(torch.from_numpy(np.random.default_rng().random(classes)))
    return network


def constant(classes: int) -> nn.Module:
    network = Small(classes)
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.5)
    return network


def all_ones(network: Any, x: Any) -> Any:
    """Adds a tensor that is made on the CPU, wherever the images are."""
    return Small.forward(network, x) + torch.ones(network.last.out_features)


def steep(network: Any, x: Any) -> Any:
    """Adds nothing, by way of a square root that is infinitely steep there."""
    scores = Small.forward(network, x)
    return scores + (scores - scores.detach()).square().sum().sqrt()


SHARED = Small(5)
SCORES, DRAWN = "maps_images_to_class_scores", "weights_are_drawn_from_the_global_generator"
GLOBAL, DIVIDED, TRAINED = "building_leaves_global_state_alone", "can_be_divided_and_pruned", "can_be_trained"
MOVES = "moves_to_another_device"
BROKEN = [
    Broken(SCORES, backbone(lambda classes: Small(7)), r"gave a tensor \[1, 7\]: return scores \[1, 5\]"),
    Broken(SCORES, variant(lambda self, x: (Small.forward(self, x),)), "gave a tuple"),
    Broken(SCORES, variant(lambda self, x: Small.forward(self, x).mean(0)), r"gave a tensor \[5\]"),
    Broken(SCORES, variant(lambda self, x: Small.forward(self, x).exp() / 0), "not finite"),
    Broken(DRAWN, backbone(drawn_by_numpy), r"with one seed, these differ: \['last.bias'\]"),
    Broken(DRAWN, backbone(constant), "all weights are the same"),
    Broken(GLOBAL, after(lambda: torch.manual_seed(0)), "build seeds torch's global generator"),
    Broken(GLOBAL, after(lambda: torch.set_num_threads(torch.get_num_threads() + 1)), "changed torch's settings"),
    Broken(GLOBAL, after(random.random), "Python's or numpy's global generator"),
    Broken(GLOBAL, after(lambda: np.random.rand()), "Python's or numpy's global generator"),
    Broken("builds_share_nothing", backbone(lambda classes: SHARED), "share parameters"),
    Broken("state_fits_another_build", backbone(hidden), "With the same state its scores differ"),
    Broken(DIVIDED, variant(lambda self, x: Small.forward(self, x if x.sum() > 0 else -x)), "cannot be traced"),
    Broken(DIVIDED, backbone(lambda classes: nn.Sequential(nn.Flatten(), nn.Linear(3072, classes))), "no channel that"),
    Broken(TRAINED, backbone(frozen), "does not require grad|No parameter gets a gradient"),
    Broken(TRAINED, variant(lambda self, x: Small.forward(self, x).detach() + 0 * self.last.bias), "No parameter gets"),
    Broken(TRAINED, variant(steep), "Gradients that are not finite"),
    Broken(MOVES, backbone(lambda classes: Small(classes).to("meta")), r"put tensors on \['meta'\]"),
    Broken(MOVES, variant(all_ones), "fails on the device meta"),
]


@pytest.fixture(autouse=True)
def threads() -> Any:
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(BackboneConformance, tmp_path)
