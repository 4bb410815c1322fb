"""Finds the state dict of a network in a checkpoint of a training script.

The state dict may be under a key, its names may have a prefix, and there may be counters between its tensors.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from emopms.engine.models.torch_checkpoint import CONVERT
from emopms.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

_FIRST = ("state_dict", "model")
"""Keys in a checkpoint that are preferred if the tensors under several keys fit the network. Earlier versions of emopms
read only these keys."""
_COUNTERS = ("total_ops", "total_params", "n_averaged")
"""Names of the counters that the libraries thop and torch.optim.swa_utils put between the weights."""
_FACTORS = {
    r"(.*?)([^.]+)_g": True,
    r"(.*?)([^.]+)_v": False,
    r"(.*?)parametrizations\.([^.]+)\.original0": True,
    r"(.*?)parametrizations\.([^.]+)\.original1": False,
}
"""Patterns of the names that weight normalisation gives to the factors of a weight, in its old and its new version.

Each pattern maps to True if the factor is the length of the weight, and to False if it is the direction.
"""
_DEPTH = 3
"""Maximum depth of nested mappings in a checkpoint that are searched for tensors."""
_SHOWN = 5
"""Maximum number of keys that an error message lists."""


@dataclass(frozen=True)
class Found:
    """A group of tensors in a checkpoint that may be the state dict of the network."""

    key: str
    """Key of the group in the checkpoint, with dots between nested keys; empty if the group is at the top."""
    prefix: str
    """The prefix, such as ``module.``, that was removed from the name of every tensor in the group."""
    state: dict[str, Tensor]
    ignored: tuple[str, ...] = field(default=())
    """Names of values that are in the same mapping of the checkpoint as this group, but were left out of it."""

    def fits(self, own: Mapping[str, Tensor]) -> bool:
        """Return whether the tensors of the group have the names and shapes of the network's state dict. The batch
        counters of batch norm (``num_batches_tracked``) may be missing."""
        return self.state.keys() - own.keys() == set() and all(
            name in self.state and _shape(self.state[name]) == tensor.shape
            for name, tensor in own.items()
            if not name.endswith("num_batches_tracked")
        )

    def __str__(self) -> str:
        """Return the place of the group in the checkpoint, as text for messages."""
        place = f"under {self.key!r}" if self.key else "at the top"
        return place + (f" with the prefix {self.prefix!r} taken off" if self.prefix else "")


@dataclass(frozen=True)
class Choice:
    """The group of tensors that is taken from a file, and the other groups that fit the network too."""

    taken: Found
    passed_over: tuple[Found, ...] = ()

    def __str__(self) -> str:
        """Return a sentence about the taken group and the other groups; empty if the file holds only the bare tensors
        of the network."""
        taken, others = self.taken, [found.key or found.prefix.rstrip(".") for found in self.passed_over]
        parts = [f"the weights {taken} were taken"] if taken.key or taken.prefix or others else []
        if others:
            parts.append(f"{', '.join(map(repr, others))} would fit, too, and `weights_key` chooses it")
        if taken.ignored:
            more = f" and {len(taken.ignored) - _SHOWN} more" if len(taken.ignored) > _SHOWN else ""
            parts.append(f"left out were {', '.join(taken.ignored[:_SHOWN])}{more}")
        return "; ".join(parts)


def choose(content: object, own: Mapping[str, Tensor], path: Path, key: str | None) -> Choice:
    """Find the state dict of a network in the content of a file.

    Args:
        content: The content of the file.
        own: The network's state dict.
        path: The path of the file, for messages.
        key: The key in the file, or the prefix of the names, that the spec asks for; None if it asks for none.

    Returns:
        The tensors that fit the network. If no tensors fit, the group that shares most names with the network.

    Raises:
        WeightsError: The file holds no tensors, it holds no tensors under ``key``, or several different groups fit the
            network and no rule prefers one of them.
    """
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} holds no state dict but a {type(content).__name__}.", remedy=CONVERT)
    groups = dict(_groups(content))
    if not any(map(_factor_of, own)):  # the network does not use weight normalisation
        groups = {place: _with_products(tensors) for place, tensors in groups.items()}
    candidates = [_renamed(place, tensors, own) for place, tensors in groups.items()]
    candidates += [part for place, tensors in groups.items() for part in _parts(place, tensors, own)]
    if key is not None:
        named = [found for found in candidates if key in (found.key, found.prefix.rstrip("."))]
        within = [found for found in candidates if found.key.startswith(f"{key}.")]
        candidates = named or within
        if not candidates:
            raise WeightsError(
                f"{path} holds no tensors under {key!r}, which `weights_key` names.",
                remedy=f"There are tensors {_listed(groups)}." if groups else CONVERT,
            )
    if not candidates:
        raise _no_tensors(content, path)
    fitting = sorted((found for found in candidates if found.fits(own)), key=_rank)
    if not fitting:
        return Choice(max(candidates, key=lambda found: (len(found.state.keys() & own.keys()), -_rank(found)[0])))
    taken, *others = fitting
    different = tuple(found for found in others if not _equal(found.state, taken.state))
    if different and _rank(taken)[0] == len(_FIRST) + 1:
        raise WeightsError(
            f"{path} holds several weights of this network: {', '.join(map(str, (taken, *different)))}.",
            remedy=f"Choose one: `backbone: {{…, weights_key: {taken.key or taken.prefix.rstrip('.')}}}`.",
        )
    return Choice(taken, different)


def _groups(content: Mapping[Any, Any], key: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield each mapping in a file that holds tensors: its key, and its tensors by name. Other values are left out."""
    tensors = {name: value for name, value in content.items() if isinstance(name, str) and _is_tensor(value)}
    if any(not _is_counter(name) for name in tensors):
        yield key, tensors
    if depth < _DEPTH:
        for name, value in content.items():
            if isinstance(name, str) and isinstance(value, Mapping):
                yield from _groups(value, f"{key}.{name}" if key else name, depth + 1)


def _renamed(key: str, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Found:
    """Return the tensors of a checkpoint without counters, and with a prefix removed from all their names.

    Of all prefixes that the names share, the removed prefix is the one whose removal gives most names of the network.
    """
    kept = {name: tensor for name, tensor in tensors.items() if name in own or not _is_counter(name)}
    ignored = tuple(name for name in tensors if name not in kept)
    paths = [name.split(".")[:-1] for name in kept]
    prefixes, prefix = [""], ""
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        prefix += f"{parts[0]}."
        prefixes.append(prefix)
    best = max(prefixes, key=lambda prefix: sum(name[len(prefix) :] in own for name in kept))
    return Found(key, best, {name[len(best) :]: tensor for name, tensor in kept.items()}, ignored)


def _parts(key: str, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Iterator[Found]:
    """Yield each group of tensors that share a prefix and fit the network, if a checkpoint has several prefixes.

    For example, a LightningModule may hold the network and its loss, under two prefixes.
    """
    prefixes = {name.split(".", 1)[0] + "." for name in tensors if "." in name}
    for prefix in prefixes if len(prefixes) > 1 else ():
        inside = {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        found = _renamed(key, inside, own)
        if found.prefix and found.fits(own):
            outside = tuple(name for name in tensors if name not in inside)
            yield Found(key, found.prefix, found.state, (*found.ignored, *outside))


def _rank(found: Found) -> tuple[int, str, str]:
    """Return the sort key of a group of tensors: first come the keys that earlier versions read, then the top, then
    others."""
    keys = found.key.split(".")
    known = set(keys) <= set(_FIRST)
    first = _FIRST.index(keys[0]) if known else len(_FIRST) + bool(found.key or found.prefix)
    return first, found.key, found.prefix


def _factor_of(name: str) -> tuple[str, bool] | None:
    """Return the name of the weight of which a tensor is a factor, and whether it is the length of the weight.

    Return None if the tensor is no factor of weight normalisation.
    """
    for pattern, length in _FACTORS.items():
        if match := re.fullmatch(pattern, name):
            return match[1] + match[2], length
    return None


def _with_products(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint. Each length and direction of weight normalisation are replaced by their
    weight."""
    whole = dict(tensors)
    factors: dict[str, dict[bool, str]] = {}
    for name in tensors:
        if found := _factor_of(name):
            factors.setdefault(found[0], {})[found[1]] = name
    for weight, names in factors.items():
        if len(names) < len((True, False)) or weight in whole:
            continue
        length, direction = tensors[names[True]], tensors[names[False]]
        if not (length.is_floating_point() and length.dtype == direction.dtype and _is_length_of(length, direction)):
            continue
        axis = next((axis for axis, size in enumerate(length.shape) if size > 1), 0)
        whole[weight] = (
            torch._weight_norm(direction, length, axis) if length.dim() else direction * (length / direction.norm())
        )
        del whole[names[True]], whole[names[False]]
    return whole


def _is_length_of(length: Tensor, direction: Tensor) -> bool:
    """Return whether a tensor can be the length of a weight whose direction is another tensor, by their shapes."""
    if length.is_nested or direction.is_nested or length.dim() not in (0, direction.dim()):
        return False
    axes = [(a, b) for a, b in zip(length.shape, direction.shape, strict=False) if a != 1]
    return len(axes) <= 1 and all(a == b for a, b in axes)


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)


def _is_counter(name: str) -> bool:
    return name.rpartition(".")[2] in _COUNTERS


def _shape(tensor: Tensor) -> Sequence[int]:
    return () if tensor.is_nested else tensor.shape


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Return whether two state dicts hold equal tensors, because a file may hold the same state dict under two keys."""
    try:
        return all(torch.equal(tensor, other[name]) for name, tensor in one.items() if name in other)
    except (RuntimeError, NotImplementedError):  # tensors of a kind that cannot be compared
        return False


def _listed(groups: Mapping[str, object]) -> str:
    places = [f"under {key!r}" if key else "at the top" for key in groups]
    return ", ".join(places[:_SHOWN]) + (", …" if len(places) > _SHOWN else "")


def _no_tensors(content: Mapping[Any, Any], path: Path) -> WeightsError:
    """Return the error for a checkpoint that holds no tensors. It names the first value in the file."""
    inner: Mapping[Any, Any] = content
    for key in _FIRST:
        if isinstance(inner.get(key), Mapping):
            inner = inner[key]
    found = next(iter(inner.items()), None)
    return WeightsError(
        f"{path} holds no state dict: it is empty."
        if found is None
        else f"{path} holds no state dict: under {reprlib.repr(found[0])} stands a {type(found[1]).__name__}.",
        remedy=f"Tensors by name are read, at the top or under a key such as 'state_dict'. {CONVERT}",
    )
