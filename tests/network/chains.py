"""Chains of blocks, each with a hand-written account of which layer reads the channels that another one makes."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from hypothesis import assume
from hypothesis import strategies as st
from torch import Tensor, nn

from emopms.network.partition.subnetwork import SubNetwork, subnetworks_of

from .networks import random_genome, randomise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .networks import Genome

Value = tuple[tuple[str | None, int], ...]
"""The channels of a tensor, in order: runs made by a layer, or by none that could be pruned."""


@dataclass
class Ledger:
    """Who makes channels, who reads them, and which are needed whole."""

    makers: dict[str, int] = field(default_factory=dict)
    reads: dict[str, tuple[Value, int]] = field(default_factory=dict)
    """For each layer the channels it reads, and how many of its inputs each becomes."""
    whole: set[str | None] = field(default_factory=set)

    def layer(self, path: str, value: Value, made: int, *, run: int = 1) -> Value:
        self.reads[path] = (value, run)
        self.makers[path] = made
        return ((path, made),)

    def pin(self, *values: Value) -> None:
        self.whole.update(maker for value in values for maker, _ in value)

    @property
    def free(self) -> list[str]:
        return [maker for maker in self.makers if maker not in self.whole]


def unprunable(value: Value) -> Value:
    return ((None, sum(size for _, size in value)),)


class Block(nn.Module):
    """A module that also says what it does with channels."""

    def account(self, path: str, value: Value, ledger: Ledger) -> Value:
        raise NotImplementedError


def norm_of(channels: int, norm: bool) -> nn.Module:
    return nn.BatchNorm2d(channels) if norm else nn.Identity()


class Plain(Block):
    def __init__(self, incoming: int, outgoing: int, *, stride: int, norm: bool, pool: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(incoming, outgoing, 3, stride=stride, padding=1, bias=not norm)
        self.norm, self.act, self.pool = norm_of(outgoing, norm), nn.ReLU(), pool

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.act(self.norm(self.conv(x))))  # type: ignore[no-any-return]

    def account(self, path: str, value: Value, ledger: Ledger) -> Value:
        return ledger.layer(f"{path}.conv", value, self.conv.out_channels)


class Residual(Block):
    """With an identity shortcut where shapes agree, else a 1x1 projection."""

    def __init__(self, incoming: int, outgoing: int, *, stride: int, norm: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, outgoing + 1, 3, stride=stride, padding=1)
        self.norm1 = norm_of(outgoing + 1, norm)
        self.conv2 = nn.Conv2d(outgoing + 1, outgoing, 3, padding=1)
        self.norm2 = norm_of(outgoing, norm)
        same = incoming == outgoing and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(incoming, outgoing, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(out + self.shortcut(x))

    def account(self, path: str, value: Value, ledger: Ledger) -> Value:
        inner = ledger.layer(f"{path}.conv1", value, self.conv1.out_channels)
        out = ledger.layer(f"{path}.conv2", inner, self.conv2.out_channels)
        allocate_like = value
        if isinstance(self.shortcut, nn.Conv2d):
            allocate_like = ledger.layer(f"{path}.shortcut", value, self.conv2.out_channels)
        ledger.pin(out, allocate_like)
        return out


class Padded(Block):
    """A residual block whose shortcut drops pixels and adds zero channels (option A)."""

    def __init__(self, incoming: int, before: int, after: int) -> None:
        super().__init__()
        outgoing = before + incoming + after
        self.conv1 = nn.Conv2d(incoming, 3, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(3, outgoing, 3, padding=1)
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(torch.relu(self.conv1(x))) + F.pad(  # type: ignore[no-any-return]
            x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after)
        )

    def account(self, path: str, value: Value, ledger: Ledger) -> Value:
        inner = ledger.layer(f"{path}.conv1", value, 3)
        out = ledger.layer(f"{path}.conv2", inner, self.conv2.out_channels)
        ledger.pin(out, value)
        return out


class Concatenation(Block):
    """Two branches side by side, and its own input where ``dense``."""

    def __init__(self, incoming: int, left: int, right: int, *, norm: bool, dense: bool) -> None:
        super().__init__()
        self.left = nn.Conv2d(incoming, left, 3, padding=1)
        self.right = nn.Conv2d(incoming, right, 1)
        self.dense = dense
        self.norm = norm_of(left + right + incoming * dense, norm)

    def forward(self, x: Tensor) -> Tensor:
        own = [x] if self.dense else []
        return F.relu(self.norm(torch.cat([self.left(x), *own, self.right(x)], dim=1)))

    def account(self, path: str, value: Value, ledger: Ledger) -> Value:
        left = ledger.layer(f"{path}.left", value, self.left.out_channels)
        right = ledger.layer(f"{path}.right", value, self.right.out_channels)
        return left + (value if self.dense else ()) + right


class Opaque(Block):
    """An operation whose channels must stay as they are."""

    def __init__(self, operation: nn.Module) -> None:
        super().__init__()
        self.operation = operation

    def forward(self, x: Tensor) -> Tensor:
        return self.operation(x)  # type: ignore[no-any-return]

    def account(self, path: str, value: Value, ledger: Ledger) -> Value:
        ledger.pin(value)
        return unprunable(value)


class Reversed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flip(1)


class Head(Block):
    """To class scores, by way of a hidden layer where ``hidden``."""

    def __init__(self, incoming: int, size: int, *, how: str, hidden: int) -> None:
        super().__init__()
        self.how, self.run = how, size * size if how in ("flatten", "view") else 1
        self.pool = nn.AdaptiveAvgPool2d(1) if how == "pool" else nn.Identity()
        self.hidden = nn.Linear(incoming * self.run, hidden) if hidden else nn.Identity()
        self.scores = nn.Linear(hidden or incoming * self.run, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(x)
        if self.how == "mean":
            x = x.mean((2, 3))
        elif self.how == "view":
            x = x.view(x.size(0), -1)
        else:
            x = torch.flatten(x, 1)
        return self.scores(torch.relu(self.hidden(x)))  # type: ignore[no-any-return]

    def account(self, path: str, value: Value, ledger: Ledger) -> Value:
        run = self.run
        if isinstance(self.hidden, nn.Linear):
            value, run = ledger.layer(f"{path}.hidden", value, self.hidden.out_features, run=run), 1
        return ledger.layer(f"{path}.scores", value, 3, run=run)


class Chain(nn.Module):
    """Blocks ``b0``, ``b1`` … one after another."""

    def __init__(self, channels: int, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.channels = channels
        self.names = [f"b{i}" for i in range(len(blocks))]
        for name, block in zip(self.names, blocks, strict=True):
            self.add_module(name, block)

    def forward(self, x: Tensor) -> Tensor:
        for name in self.names:
            x = self.get_submodule(name)(x)
        return x

    def ledgers(self, points: Sequence[str]) -> list[Ledger]:
        """One for each part, when cut after the blocks at ``points``."""
        ledgers, value = [Ledger()], unprunable(((None, self.channels),))
        for name in self.names:
            block = self.get_submodule(name)
            assert isinstance(block, Block)
            value = block.account(name, value, ledgers[-1])
            if name in points or name == self.names[-1]:
                ledgers[-1].pin(value)
                value = unprunable(value)
            if name in points:
                ledgers.append(Ledger())
        return ledgers


@dataclass(frozen=True)
class Case:
    """A network in eval mode and fp64, where to cut it, and images to run it on."""

    network: Chain
    points: list[str]
    images: Tensor
    seed: int

    def divided(self) -> list[SubNetwork]:
        return subnetworks_of(self.network, self.points, self.images)

    def genomes(self, subnetworks: Sequence[SubNetwork]) -> list[Genome]:
        return [random_genome(sub, self.seed + sub.index) for sub in subnetworks]

    @contextmanager
    def zeroed(self, subnetworks: Sequence[SubNetwork], genomes: Sequence[Genome]) -> Iterator[None]:
        """The dense network, in which layers read zeros for dropped channels. Knows nothing of channel tables."""
        kept: dict[str | None, Tensor] = {}
        for sub, genome in zip(subnetworks, genomes, strict=True):
            for group in sub.channels.groups:
                kept[group.name] = torch.from_numpy(genome[group.genes].astype(float))
        hooks = []
        for ledger in self.network.ledgers(self.points):
            for path, (value, run) in ledger.reads.items():
                mask = torch.cat([kept.get(maker, torch.ones(size)).double() for maker, size in value])
                hook = _masking(mask.repeat_interleave(run))
                hooks.append(self.network.get_submodule(path).register_forward_pre_hook(hook))
        try:
            yield
        finally:
            for handle in hooks:
                handle.remove()


def _masking(mask: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], Tensor]:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        return inputs[0] * mask.view(1, -1, *[1] * (inputs[0].dim() - 2))

    return hook


@st.composite
def cases(draw: st.DrawFn, *, opaque: bool = True) -> Case:
    """Random chains of blocks, cut at random places where every part keeps something to prune."""
    seed = draw(st.integers(0, 2**16))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = draw(_chains(opaque=opaque))
        images = torch.randn(3, network.channels, 8, 8, dtype=torch.float64)
    wanted = draw(st.lists(st.booleans(), min_size=len(network.names) - 1, max_size=len(network.names) - 1))
    points = [name for name, cut in zip(network.names, wanted, strict=False) if cut]
    while not all(ledger.free for ledger in network.ledgers(points)):
        assume(points)
        empty = next(i for i, ledger in enumerate(network.ledgers(points)) if not ledger.free)
        del points[min(empty, len(points) - 1)]
    randomise(network, seed)
    return Case(network, points, images, seed)


@st.composite
def _chains(draw: st.DrawFn, *, opaque: bool) -> Chain:
    incoming = channels = draw(st.integers(1, 3))
    size, widths, flags = 8, st.integers(2, 5), st.booleans()
    blocks: list[Block] = []
    kinds = ["plain", "residual", "residual", "padded", "concatenation", *(["opaque"] if opaque else [])]
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4)):
        norm, width = draw(flags), draw(widths)
        stride = draw(st.sampled_from([1, 2])) if size > 2 else 1
        if kind == "plain":
            pools = [nn.Identity(), nn.MaxPool2d(3, stride=1, padding=1), nn.AvgPool2d(3, stride=1, padding=1)]
            pool = draw(st.sampled_from(pools))
            blocks.append(Plain(channels, width, stride=stride, norm=norm, pool=pool))
        elif kind == "residual":
            width, stride = (channels, 1) if draw(flags) else (width, stride)
            blocks.append(Residual(channels, width, stride=stride, norm=norm))
        elif kind == "padded":
            before, after = draw(st.integers(0, 2)), draw(st.integers(0, 2))
            blocks.append(Padded(channels, before, after))
            width, stride = before + channels + after, 2
        elif kind == "concatenation":
            left, right, dense = draw(widths), draw(widths), draw(flags)
            blocks.append(Concatenation(channels, left, right, norm=norm, dense=dense))
            width, stride = left + right + channels * dense, 1
        else:
            operations = [
                nn.Softmax(dim=1),
                Reversed(),
                nn.GroupNorm(1, channels, affine=False),
                nn.LocalResponseNorm(2),
            ]
            blocks.append(Opaque(draw(st.sampled_from(operations))))
            width, stride = channels, 1
        channels, size = width, -(-size // stride)
    how = draw(st.sampled_from(["flatten", "view", "pool", "mean"]))
    blocks.append(Head(channels, size, how=how, hidden=draw(st.sampled_from([0, 4]))))
    return Chain(incoming, blocks)
