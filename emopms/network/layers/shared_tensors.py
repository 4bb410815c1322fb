"""Tensors that a module holds under several names, such as a weight that two layers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor


def names_by_tensor(named: Iterable[tuple[str, Tensor]]) -> dict[int, list[str]]:
    """Return a mapping from the id of each tensor to all names of this tensor, in order.

    Args:
        named: Names and tensors, for example ``module.named_parameters(remove_duplicate=False)``. Without
            ``remove_duplicate=False``, PyTorch gives only the first name of a shared tensor.
    """
    names: dict[int, list[str]] = {}
    for name, tensor in named:
        names.setdefault(id(tensor), []).append(name)
    return names
