"""Tests attention heads of timm's transformers: evaluation, surgery and predicted costs agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from emopms_timm import Timm

from emopms.network import Evaluator, SubNetwork, count, fit_to, pruned_state, subnetworks_of

SHAPE = (3, 32, 32)
IMAGES = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
SMALL: dict[str, Any] = {"patch_size": 8, "depth": 2, "embed_dim": 48, "num_heads": 4}
SWIN: dict[str, Any] = {"window_size": 4, "embed_dim": 24, "depths": [2, 2], "num_heads": [2, 4]}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("vit_tiny_patch16_224", {"patch_size": 8, "depth": 2}),
    "vit with q/k norm": ("vit_tiny_patch16_224", {**SMALL, "qk_norm": True}),
    "deit": ("deit_tiny_patch16_224", SMALL),
    "deit distilled": ("deit_tiny_distilled_patch16_224", SMALL),
    "deit III": ("deit3_small_patch16_224", SMALL),
    "swin": ("swin_tiny_patch4_window7_224", SWIN),
    "rope": ("vit_base_patch16_rope_224", SMALL),
}


def build(kind: str) -> torch.nn.Module:
    model, args = NETWORKS[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Timm(model=model, args=args).build(input_shape=SHAPE, classes=3).eval()
        with torch.no_grad():  # biases and layer scales start near zero, and must matter too
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return network


def whole(network: torch.nn.Module) -> tuple[SubNetwork, dict[str, slice]]:
    (sub,) = subnetworks_of(network, [], IMAGES)
    return sub, {group.name: group.genes for group in sub.channels.groups if ".attn." in group.name}


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_heads_can_be_dropped(kind: str) -> None:
    dense, pruned, masked = build(kind), build(kind), build(kind)
    sub, heads = whole(dense)
    rng, genome = np.random.default_rng(0), sub.dense
    for genes in heads.values():
        genome[genes] = rng.permutation(np.arange(genes.stop - genes.start) > 0)
    fit_to(pruned, pruned_state(dense, [(sub.channels, genome)]))
    for name, genes in heads.items():
        attention: Any = dense.get_submodule(name.rpartition(".")[0])
        assert attention.num_heads == genes.stop - genes.start
        weight = masked.get_submodule(name.rpartition(".")[0]).get_parameter("proj.weight")
        kept = torch.from_numpy(genome[genes]).repeat_interleave(weight.shape[1] // attention.num_heads)
        weight.data *= kept
        smaller: Any = pruned.get_submodule(name.rpartition(".")[0])
        assert smaller.num_heads == genome[genes].sum() < attention.num_heads
    assert len(heads) >= 2
    with torch.no_grad():
        expected = masked(IMAGES)
        for found in (
            pruned(IMAGES),
            sub.forward(IMAGES, genome),
            Evaluator(sub, batch_statistics=False).run(IMAGES, genome),
        ):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    assert sub.costs.macs(genome[None]).tolist() == [count(pruned, IMAGES).macs]
    assert sub.costs.params(genome[None]).tolist() == [count(pruned, IMAGES).params]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vit", "swin"])
def test_with_fewer_heads_and_channels_it_trains_and_is_exported(kind: str) -> None:
    dense, pruned = build(kind), build(kind)
    sub, _ = whole(dense)
    rng = np.random.default_rng(1)
    drawn = rng.random((1, sub.channels.genes)) < 0.5
    (genome,) = sub.repair(drawn, rng.random(sub.channels.genes))
    fit_to(pruned, pruned_state(dense, [(sub.channels, genome)]))
    with torch.no_grad():
        torch.testing.assert_close(pruned(IMAGES), sub.forward(IMAGES, genome), rtol=1e-4, atol=1e-4)
    exported = torch.export.export(pruned, (IMAGES,)).module()
    torch.testing.assert_close(exported(IMAGES), pruned(IMAGES))
    before = [parameter.detach().clone() for parameter in pruned.parameters()]
    pruned.train()(IMAGES).square().sum().backward()
    torch.optim.SGD(pruned.parameters(), lr=0.1).step()
    assert any(not torch.equal(old, new) for old, new in zip(before, pruned.parameters(), strict=True))


def test_heads_are_pinned_where_the_forward_divides_the_residual_width_among_them() -> None:
    network = Timm(model="cait_xxs24_224", args=SMALL).build(input_shape=SHAPE, classes=3)
    (sub,) = subnetworks_of(network, [], IMAGES)
    why = "it meets floordiv, which computes with a number of heads"
    assert sub.channels.pinned["blocks.0.attn.qkv"] == why
