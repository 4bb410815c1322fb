"""Building a network that somebody else's file asks for, within bounds."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

import torch
from torch.nn.modules.module import register_module_module_registration_hook
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import nn

    from emopms.errors import EmopmsError

_MAKERS: frozenset[Callable[..., Any]] = frozenset(
    {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye, torch.arange, torch.linspace}
)
"""What layers make their parameters and buffers with."""
_NOT_ON_META = ("generator", "out", "pin_memory")


class AllocationLimit(TorchFunctionMode):
    """While it is entered, the tensors that are made may take so many bytes together, and there may be so many of them,
    and of modules.

    What a call would take is seen on the device ``meta``, where nothing is allocated, before the call is made.

    Args:
        most: Bytes.
        refusal: What is raised where they would take more.
        most_parts: Number of tensors, and likewise of modules; None for any number.
        too_many: What is raised where there would be more; None for ``refusal``.
    """

    def __init__(
        self, most: int, refusal: EmopmsError, *, most_parts: int | None = None, too_many: EmopmsError | None = None
    ) -> None:
        super().__init__()
        self._left, self._refusal = most, refusal
        self._tensors_left = self._modules_left = most_parts
        self._too_many = too_many or refusal
        self._thread = 0
        self._hook: Any = None

    def __enter__(self) -> Self:
        """Begin to count."""
        self._thread = threading.get_ident()
        self._hook = register_module_module_registration_hook(self._count_module)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        """Stop counting."""
        self._hook.remove()
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def _count_module(self, parent: nn.Module, name: str, module: nn.Module | None) -> None:
        """Count a module as it becomes part of another: torch calls this, for those of other threads, too."""
        if self._modules_left is not None and threading.get_ident() == self._thread:
            self._modules_left -= 1
            if self._modules_left < 0:
                raise self._too_many

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
            if self._tensors_left is not None:
                self._tensors_left -= 1
                if self._tensors_left < 0:
                    raise self._too_many
            on_meta = {name: value for name, value in kwargs.items() if name not in _NOT_ON_META}
            self._left -= function(*args, **{**on_meta, "device": "meta"}).nbytes
            if self._left < 0:
                raise self._refusal
        return function(*args, **kwargs)
