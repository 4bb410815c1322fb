"""Random networks of the kinds that people use, each built from a recipe, so that another process can build it too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn

from .block import Block
from .heads import Heads

if TYPE_CHECKING:
    from collections.abc import Callable

Recipe = list[list[Any]]
"""For each block its kind, its width (a multiple of four), and three numbers from 0 to 7 that choose among variants."""

SIZE = 9
"""Images are 3 x 9 x 9: halved three times they are still larger than one pixel."""


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class BatchNormAct(nn.BatchNorm2d):
    """Functional batch norm on its own tensors, and an activation."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        own = self.training or self.running_mean is None
        x = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, own, 0.1, self.eps)
        return self.act(x)  # type: ignore[no-any-return]


class DropPath(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x * x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(0.5)


NORMS: tuple[Callable[[int], nn.Module], ...] = (
    nn.BatchNorm2d,
    BatchNormAct,
    lambda width: nn.GroupNorm(2, width),
    lambda width: nn.GroupNorm(width, width),
    LayerNorm2d,
    lambda width: nn.InstanceNorm2d(width, affine=True),
    nn.PReLU,
    lambda width: nn.Identity(),
)


class Plain(Block):
    """With an identity shortcut where shapes agree, or a projection."""

    free = ("a",)

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        stride = 1 + other % 2
        self.outgoing = incoming if how % 2 else width
        self.a, self.norm = nn.Conv2d(incoming, width, 3, stride=stride, padding=1), NORMS[norm](width)
        self.b = nn.Conv2d(width, self.outgoing, 3, padding=1, padding_mode=("zeros", "circular")[how // 4])
        same = self.outgoing == incoming and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(incoming, self.outgoing, 1, stride=stride)
        self.drop = DropPath()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.drop(self.b(F.silu(self.norm(self.a(x))))).add_(self.shortcut(x)))


class Grouped(Block):
    """A bottleneck as in ResNeXt; every group keeps the same positions."""

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        groups = (2, 4)[how % 2]
        self.outgoing, self.free = incoming, ("a", "b") if groups < width else ("a",)
        self.a, self.norm = nn.Conv2d(incoming, width, 1), NORMS[norm](width)
        self.b = nn.Conv2d(width, 2 * width, 3, padding=1, groups=groups)
        self.c = nn.Conv2d(2 * width, incoming, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.c(torch.tanh(self.b(self.norm(self.a(x)))))  # type: ignore[no-any-return]


class Inverted(Block):
    """A depthwise convolution, squeeze-and-excitation, and a projection, as in MobileNetV3."""

    free = ("a", "squeeze")

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        wide = width * (1 + other % 2)
        self.outgoing, self.residual = (incoming, True) if how % 2 else (width, False)
        self.a, self.norm = nn.Conv2d(incoming, width, 1), NORMS[norm](width)
        self.deep = nn.Conv2d(width, wide, 3, padding=1, groups=width)
        self.squeeze, self.excite = nn.Conv2d(wide, 4, 1), nn.Conv2d(4, wide, 1)
        self.project = nn.Conv2d(wide, self.outgoing, 1)
        self.pool = how // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.deep(F.hardswish(self.norm(self.a(x))))
        gate = F.adaptive_avg_pool2d(y, 1) if self.pool else y.mean((2, 3), keepdim=True)
        y = self.project(y * torch.sigmoid(self.excite(F.relu(self.squeeze(gate), inplace=True))))
        return x + y if self.residual else y  # type: ignore[no-any-return]


class Dense(Block):
    """What comes in and something new beside it, normalised together."""

    free = ()  # what is new leaves the block, perhaps into a residual stream

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        self.outgoing = incoming + width
        self.a = nn.Conv2d(incoming, width, 3, padding=1)
        self.norm = NORMS[norm](width)
        self.behind = nn.BatchNorm2d(self.outgoing)
        self.first = how % 2

    def forward(self, x: Tensor) -> Tensor:
        new = self.norm(self.a(x))
        return F.gelu(self.behind(torch.cat([new, x] if self.first else [x, new], dim=1)))


class Gated(Block):
    """Half of the channels gate the others, channel by channel."""

    free = ("a",)

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        self.outgoing = width
        self.a, self.norm = nn.Conv2d(incoming, 2 * width, 3, padding=1), NORMS[norm](2 * width)
        self.b = nn.Conv2d(width, width, 1)
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.a(x))
        half = y.shape[1] // 2
        if self.how < 3:
            left, right = y.chunk(2, dim=1)
        elif self.how < 6:
            left, right = torch.split(y, half, 1)
        else:
            left, right = y[:, :half], y[:, half:]
        return self.b(left * right.sigmoid())  # type: ignore[no-any-return]


class Shuffled(Block):
    """Two branches whose channels are shuffled, as in ShuffleNet."""

    free = ("left",)  # what it shuffles keeps the same positions in both branches

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        self.outgoing = width
        self.left, self.right = nn.Conv2d(incoming, width, 1), nn.Conv2d(incoming, width, 3, padding=1)
        self.norm = NORMS[norm](2 * width)
        self.c = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat((self.left(x), self.right(x)), 1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, -1, h, w)
        return self.c(self.norm(x))  # type: ignore[no-any-return]


class Upsampled(Block):
    """A transposed convolution and its way back."""

    free = ("a",)

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        self.outgoing = width
        self.a, self.norm = nn.ConvTranspose2d(incoming, width, 2, stride=2), NORMS[norm](width)
        self.b = nn.Conv2d(width, width, 3, padding=1, stride=2)
        self.resize = how % 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.a(x))
        if self.resize:
            y = F.interpolate(y, size=(x.shape[2] * 2, x.shape[3] * 2), mode="nearest")
        return self.b(F.leaky_relu(F.pad(y, (1, 1, 1, 1))[:, :, 1:-1, 1:-1]))  # type: ignore[no-any-return]


class ConvNeXt(Block):
    """Depthwise, then a perceptron on channels that stand last, scaled by learnt numbers."""

    free = ("up",)

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        self.outgoing = incoming
        self.deep = nn.Conv2d(incoming, incoming, 3, padding=1, groups=incoming)
        self.norm = nn.LayerNorm(incoming)
        self.up, self.down = nn.Linear(incoming, width), nn.Linear(width, incoming)
        self.gamma = nn.Parameter(torch.rand(incoming) + 0.5)
        self.where = how % 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.deep(x).permute(0, 2, 3, 1))
        y = self.down(F.gelu(self.up(y)))
        if self.where:
            y = (y * self.gamma).permute(0, 3, 1, 2)
        else:
            y = y.permute(0, 3, 1, 2).mul(self.gamma.reshape(1, -1, 1, 1))
        return x + y  # type: ignore[no-any-return]


class Mixer(Block):
    """Perceptrons across tokens and across channels."""

    free = ("tokens_up", "up")

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int, positions: int = 4) -> None:
        super().__init__()
        self.outgoing = incoming
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.norm1, self.norm2 = nn.LayerNorm(incoming), nn.LayerNorm(incoming)
        self.tokens_up, self.tokens_down = nn.Linear(positions, width), nn.Linear(width, positions)
        self.up, self.down = nn.Linear(incoming, width), nn.Linear(width, incoming)
        self.place = nn.Parameter(torch.randn(1, positions, incoming))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(x)
        n, c, h, w = x.shape
        assert h == 2
        x = x.flatten(2).transpose(1, 2) + self.place
        x = x + self.tokens_down(F.gelu(self.tokens_up(self.norm1(x).transpose(1, 2)))).transpose(1, 2)
        x = x + self.down(F.relu(self.up(self.norm2(x))))
        return F.interpolate(x.transpose(1, 2).reshape(n, c, h, w), scale_factor=4)


class Attention(Block):
    """Heads whose width follows that of their layer."""

    free = ("qkv",)

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        self.outgoing, self.parts, self.fused = incoming, (1, 2)[how % 2], how // 4
        self.norm = nn.LayerNorm(incoming)
        self.qkv, self.proj = nn.Linear(incoming, 3 * width), nn.Linear(width, incoming)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        n, length, _ = tokens.shape
        qkv = self.qkv(self.norm(tokens)).reshape(n, length, 3, self.parts, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.1 if self.training else 0.0)
        else:
            attended = (q * 0.5) @ k.transpose(-2, -1)
            y = (attended if mask is None else attended + mask).softmax(dim=-1) @ v
        y = self.proj(y.transpose(1, 2).flatten(2))
        return x + y.transpose(1, 2).view(x.shape)  # type: ignore[no-any-return]


class Excited(Block):
    """Squeeze-and-excitation as it is written most often: the gate gets its shape from the sizes of what it gates."""

    free = ("a", "squeeze")

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        self.outgoing, self.how = incoming, how % 4
        self.a, self.b = nn.Conv2d(incoming, width, 3, padding=1), nn.Conv2d(width, incoming, 1)
        self.squeeze, self.excite = nn.Linear(width, 4), nn.Linear(4, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        n, c, h, w = y.size()
        gate = self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1).view(n, c)))).sigmoid()
        if self.how < 2:
            gate = gate.view(n, c, 1, 1) if self.how else gate.flatten().view(-1, c, 1, 1)
        else:
            gate = gate[:, :, None, None].expand(n, c, h, w) if self.how == 2 else gate.view(*y.shape[:2], 1, 1)
        return x + self.b(y * gate)  # type: ignore[no-any-return]


class Tied(Block):
    """Two convolutions that share one weight, and one whose weight another layer's transposed convolution shares."""

    free = ("a", "c")

    def __init__(self, incoming: int, width: int, norm: int, how: int, other: int) -> None:
        super().__init__()
        self.outgoing = incoming
        self.a = nn.Conv2d(incoming, width, 1)
        self.b, self.again = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.again.weight = self.b.weight
        self.c, self.back = nn.Conv2d(width, 6, 3, padding=1), nn.ConvTranspose2d(6, width, 3, padding=1)
        self.back.weight = self.c.weight
        self.d = nn.Conv2d(width, incoming, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.again(F.relu(self.b(F.relu(self.a(x))))))
        return x + self.d(self.back(F.relu(self.c(y))))  # type: ignore[no-any-return]


KINDS: dict[str, Callable[..., Block]] = {
    kind.__name__: kind
    for kind in (
        Plain,
        Grouped,
        Inverted,
        Dense,
        Gated,
        Shuffled,
        Upsampled,
        ConvNeXt,
        Mixer,
        Attention,
        Heads,
        Excited,
        Tied,
    )
}


class Zoo(nn.Module):
    """A stem, the blocks of a recipe, and a linear head."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        channels, blocks = 8, []
        for kind, width, *variant in recipe:
            blocks.append(KINDS[kind](channels, width, *variant))
            channels = blocks[-1].outgoing
        self.blocks = nn.ModuleList(blocks)
        self.hidden, self.scores = nn.Linear(channels, 8), nn.Linear(8, 3)

    @property
    def free(self) -> set[str]:
        inside = {f"blocks.{i}.{name}" for i, block in enumerate(self.blocks) for name in block.free}  # type: ignore[union-attr]
        return inside | {"hidden"}

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.scores(F.relu(self.hidden(x.mean((2, 3)))))  # type: ignore[no-any-return]


def build(recipe: Recipe, seed: int) -> Zoo:
    """In eval mode and fp32, with statistics and parameters that matter."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = Zoo(recipe).eval()
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm | nn.PReLU):
                for tensor in module.state_dict().values():
                    if tensor.dim():
                        tensor.uniform_(0.5, 1.5)
    return network


def images(seed: int, count: int = 3) -> Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def recipes(kinds: tuple[str, ...] = tuple(KINDS), most: int = 3) -> st.SearchStrategy[Recipe]:
    variant = st.integers(0, 7)
    block = st.tuples(st.sampled_from(kinds), st.sampled_from([4, 8, 12]), variant, variant, variant).map(list)
    return st.lists(block, min_size=1, max_size=most)
