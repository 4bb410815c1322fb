"""Building a network that somebody else's file asks for, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from emopms.errors import EmopmsError

_MAKERS: frozenset[Callable[..., Any]] = frozenset(
    {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye, torch.arange, torch.linspace}
)
"""What layers make their parameters and buffers with."""
_NOT_ON_META = ("generator", "out", "pin_memory")


class AllocationLimit(TorchFunctionMode):
    """While it is entered, the tensors that are made may take so many bytes together.

    What a call would take is seen on the device ``meta``, where nothing is allocated, before the call is made.

    Args:
        most: Bytes.
        refusal: What is raised where they would take more.
    """

    def __init__(self, most: int, refusal: EmopmsError) -> None:
        super().__init__()
        self._left, self._refusal = most, refusal

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Make the call, if there is room for what it makes."""
        kwargs = kwargs or {}
        if function in _MAKERS:
            on_meta = {name: value for name, value in kwargs.items() if name not in _NOT_ON_META}
            self._left -= function(*args, **{**on_meta, "device": "meta"}).nbytes
            if self._left < 0:
                raise self._refusal
        return function(*args, **kwargs)
