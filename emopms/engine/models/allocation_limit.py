"""A limit on the memory of a network whose size is read from a file that the user may not trust."""

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
"""Functions of torch with which layers make their parameters and buffers."""
_NOT_ON_META = ("generator", "out", "pin_memory")


class AllocationLimit(TorchFunctionMode):
    """Limits the bytes and the number of new tensors, and the number of new modules, inside a ``with`` statement.

    Before each call that makes a tensor, the same call on the device ``meta`` tells how many bytes the tensor takes.
    This device allocates no memory.

    Args:
        most: Maximum bytes of all new tensors together.
        refusal: The error that is raised if the new tensors would take more than ``most`` bytes.
        most_parts: Maximum number of new tensors, and maximum number of new modules; None for no maximum.
        too_many: The error that is raised if there are more new tensors or modules than ``most_parts``; None to raise
            ``refusal``.
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
        """Start counting new tensors and modules, at the beginning of the ``with`` statement."""
        self._thread = threading.get_ident()
        self._hook = register_module_module_registration_hook(self._count_module)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        """Stop counting new tensors and modules, at the end of the ``with`` statement."""
        self._hook.remove()
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def _count_module(self, parent: nn.Module, name: str, module: nn.Module | None) -> None:
        """Count a module that is added to another module. Torch calls this function in all threads, but only modules
        that the thread of the ``with`` statement adds are counted."""
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
        """Call a function of torch. Raise the error of the limit instead if the tensor that it makes would exceed the
        limit."""
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
