"""What is wrong with a network is said before anything runs, with what to write instead."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emopms.engine.models.network_checks import require_names, require_saved_state, require_scores, require_usable
from emopms.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class _Answering(nn.Module):
    """Gives whatever a function makes of its scores."""

    def __init__(self, answer: Callable[[Tensor, bool], Any]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.head, self._answer = nn.Linear(4, 5), answer

    def forward(self, images: Tensor) -> Any:
        return self._answer(self.head(self.body(images).mean((2, 3))), self.training)


@pytest.mark.parametrize(
    ("answer", "message", "remedy"),
    [
        (lambda s, _: {"logits": s, "x": s}, "In evaluation mode _Answering gives a mapping", "['logits']"),
        (lambda s, _: {"a": s}, "a mapping with the keys 'a'", "['a']"),
        (lambda s, _: (s, s), "In evaluation mode _Answering gives a tuple of 2 values", "the first value, [0]"),
        (lambda s, _: [s], "a list of 1 values", "[0]"),
        (lambda s, _: None, "gives a NoneType", "scores alone"),
        (
            lambda s, training: (s, s) if training else s,
            "In training mode _Answering gives a tuple of 2 values (in evaluation mode it gives a tensor)",
            "auxiliary",
        ),
        (lambda s, training: {"out": s} if training else s, "In training mode", "auxiliary"),
        (lambda s, _: s.reshape(7, -1), "In evaluation mode the forward of _Answering fails on images [2,", "size"),
        (lambda s, training: s if not training else 1 / 0, "In training mode the forward of _Answering fails", "size"),
    ],
)  # fmt: skip
def test_what_is_no_tensor_of_scores_is_refused(
    answer: Callable[[Tensor, bool], Any], message: str, remedy: str
) -> None:
    with pytest.raises(NetworkError) as caught:
        require_scores(_Answering(answer), EXAMPLE)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_checking_the_scores_changes_nothing() -> None:
    network = _Answering(lambda scores, _: scores)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    require_scores(network, EXAMPLE)
    assert torch.equal(torch.rand(1), expected)
    assert network.training
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_a_network_that_cannot_be_copied_is_refused() -> None:
    network = _Answering(lambda scores, _: scores)
    network.kept = network.head.weight * 2
    with pytest.raises(NetworkError, match="_Answering cannot be copied"):
        require_scores(network, EXAMPLE)


@pytest.mark.parametrize("name", ["class", "global", "None", "lambda"])
def test_names_that_are_keywords_are_refused(name: str) -> None:
    inner = nn.ModuleDict({"3x3-conv": nn.ReLU(), name: nn.ReLU()})
    with pytest.raises(NetworkError, match=rf"'branches\.{name}' has the name '{name}', a keyword") as caught:
        require_names(nn.ModuleDict({"branches": inner}))
    assert repr(name.lower() + "_") in caught.value.remedy
    with pytest.raises(NetworkError, match="a keyword"):
        require_names(nn.ParameterDict({name: nn.Parameter(torch.zeros(1))}))


def test_other_names_are_not() -> None:
    require_names(nn.ModuleDict({"3x3-conv": nn.ReLU(), "match": nn.ReLU(), "class_": nn.ReLU()}))


class _Mixing(nn.Module):
    """Multiplies its features by numbers that it keeps in one way or another."""

    def __init__(self, kept: str) -> None:
        super().__init__()
        self.kept, self.head = kept, nn.Linear(3, 5)
        if kept in ("persistent", "buffer"):
            self.register_buffer("mix", torch.randn(3), persistent=kept == "persistent")
        elif kept == "tensor":
            self.mix = torch.randn(3)
        elif kept == "list":
            self.mixes = [torch.randn(3)]
        elif kept == "numpy":
            self.factor = float(np.random.rand())
        elif kept == "python":
            self.factor = random.random()
        elif kept == "constant":
            self.register_buffer("mix", torch.arange(3.0), persistent=False)
        elif kept == "unread":
            self.register_buffer("unread", torch.randn(3), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        features = images.mean((2, 3))
        mix = getattr(self, "mix", None)
        mix = self.mixes[0] if self.kept == "list" else mix
        features = features * getattr(self, "factor", 1.0) * (1.0 if mix is None else mix)
        features = F.dropout(features) if self.kept == "dropout" else features
        return self.head(features)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ("buffer", "reads 'mix', a tensor that is drawn when the network is built"),
        ("tensor", "reads 'mix', a tensor"),
        ("list", "reads 'mixes', a tensor"),
        ("numpy", "with the same weights gives other scores"),
        ("python", "with the same weights gives other scores"),
        ("dropout", "gives other scores for the same images each time"),
    ],
)
def test_state_that_no_file_holds_is_refused(kept: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message) as caught:
        require_saved_state(lambda: _Mixing(kept), EXAMPLE)
    assert caught.value.remedy


@pytest.mark.parametrize("kept", ["persistent", "constant", "unread", "nothing"])
def test_state_that_is_saved_or_always_the_same_is_fine(kept: str) -> None:
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]
    require_saved_state(lambda: _Mixing(kept), EXAMPLE)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    np.testing.assert_array_equal(np.random.get_state()[1], states[2])  # type: ignore[index]


def test_a_network_handed_out_twice_is_not_changed() -> None:
    shared = _Mixing("buffer")
    before = {name: tensor.clone() for name, tensor in shared.state_dict().items()}
    require_saved_state(lambda: shared, EXAMPLE)
    assert shared.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in shared.state_dict().items())


@pytest.mark.slow
def test_sizes_that_are_drawn_are_refused() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(108, random.randint(1, 10**6)))

    with pytest.raises(NetworkError, match="has other layers each time"):
        require_saved_state(build, EXAMPLE)


class Scores(nn.Module):
    """A network whose scores are treated in the way that is named."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.linear, self.how = nn.Linear(4, 3), how
        if how == "frozen":
            self.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.linear(x.flatten(1))
        match self.how:
            case "nan":
                return scores / 0 * 0
            case "complex":
                return torch.complex(scores, scores)
            case "classes":
                return scores.argmax(1)
            case "detached":
                return scores.detach()
        return scores


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("nan", "gives no finite score"),
        ("complex", "must be real floating-point numbers"),
        ("classes", "must be real floating-point numbers"),
        ("detached", "carry no gradient"),
        ("frozen", "All parameters of Scores are frozen"),
    ],
)
def test_scores_that_nothing_can_be_trained_with(how: str, said: str) -> None:
    with pytest.raises(NetworkError, match=said) as error:
        require_usable(Scores(how), lambda: Scores(how), torch.randn(2, 1, 2, 2))
    assert error.value.remedy
    require_usable(Scores("plain"), lambda: Scores("plain"), torch.randn(2, 1, 2, 2))
