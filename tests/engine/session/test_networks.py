"""Building the network of a spec: seeded, loaded, divided, encoded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from emopms.api import Backbone, Folder
from emopms.engine.session.networks import (
    divide_as_specified,
    encoding_for,
    example_images,
    fresh_network,
    given_network,
)
from emopms.errors import ComponentError, DataError
from tests.engine.conftest import tiny

if TYPE_CHECKING:
    from emopms.api import Source

HERE = Folder(Path(), "here")
POINTS = ["stage1", "stage2"]


@pytest.fixture(scope="module")
def source() -> Source:
    return tiny().data.open(HERE)


def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone(source: Source) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = fresh_network(tiny(), source).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    again, other = fresh_network(tiny(), source).state_dict(), fresh_network(tiny(seed=4), source).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in first.items())
    assert not torch.equal(other["stem.0.weight"], first["stem.0.weight"])


class Faulty(Backbone):
    """A backbone that raises, or builds no network."""

    name: Literal["faulty"] = "faulty"
    raises: bool

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> Any:
        if self.raises:
            raise ValueError(f"no network for {classes} classes")
        return "a network"


@pytest.mark.parametrize(
    ("raises", "message"),
    [(True, "no network for 10 classes"), (False, r"build returned str, not a torch\.nn\.Module")],
)
def test_a_backbone_that_fails_is_named(source: Source, raises: bool, message: str) -> None:
    with pytest.raises(ComponentError, match=f"backbone 'faulty' .* failed to build its network: .*{message}"):
        fresh_network(tiny(backbone=Faulty(raises=raises)), source)


def test_given_weights_replace_the_random_ones(source: Source, tmp_path: Path) -> None:
    state = {name: tensor + 1 for name, tensor in fresh_network(tiny(), source).state_dict().items()}
    save_file(state, tmp_path / "weights.safetensors")
    backbone = {"name": "small_resnet", "widths": [8, 8, 16], "weights": "weights.safetensors"}
    found = given_network(tiny(backbone=backbone), source, Folder(tmp_path, "here")).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())
    with pytest.raises(DataError, match=r"weights\.safetensors"):
        given_network(tiny(backbone=backbone), source, Folder(tmp_path / "elsewhere", "here"))


def test_example_images_are_noise_and_always_the_same(source: Source) -> None:
    found = example_images(source)
    assert found.shape == (2, 1, 8, 8)
    assert found.std() > 0.5
    assert torch.equal(example_images(source), found)


@pytest.mark.parametrize(
    ("genome", "searches", "residual"),
    [
        ({}, ["1", "2", "3"], False),
        ({"prune_residual": True}, ["1", "2", "3"], True),
        ({"prune_boundaries": True}, ["1", "2", "3", "boundaries"], False),
    ],
)
def test_the_settings_of_the_genome_decide_which_channels_have_genes(
    source: Source, genome: dict[str, Any], searches: list[str], residual: bool
) -> None:
    spec = tiny(genome=genome)
    divided = divide_as_specified(fresh_network(spec, source).eval(), POINTS, example_images(source), spec)
    assert [sub.name for sub in divided.searched] == searches
    plain = divide_as_specified(fresh_network(spec, source).eval(), POINTS, example_images(source), tiny())
    more = sum(sub.channels.genes for sub in divided.parts) > sum(sub.channels.genes for sub in plain.parts)
    assert more == residual


def test_the_encoding_follows_the_settings_and_the_present_weights(source: Source) -> None:
    network = fresh_network(tiny(), source).eval()
    sub = divide_as_specified(network, POINTS, example_images(source), tiny()).parts[0]
    assert encoding_for(sub, tiny()).bits == sub.channels.genes == 8
    assert encoding_for(sub, tiny(genome={"channel_multiple": 4})).bits == 2
    widths = encoding_for(sub, tiny(genome={"coding": "widths"}))
    half = np.arange(8)[None] < 4
    kept = widths.decode(widths.repair(half))[0]
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1 and parameter.shape[0] == 8:
                parameter.copy_(parameter * torch.linspace(0.1, 3, 8).view(-1, *[1] * (parameter.dim() - 1)))
    widths = encoding_for(sub, tiny(genome={"coding": "widths"}))
    changed = widths.decode(widths.repair(half))[0]
    assert kept.sum() == changed.sum() == 4
    assert changed[-1], "the largest weights are kept now"
