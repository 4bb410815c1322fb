"""An end for forward passes that have none."""

from __future__ import annotations

import ctypes
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch.nn.modules.module import register_module_forward_pre_hook

from emopms.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

SECONDS = 300.0
"""How long a network may take to be run once and traced."""


class _TooLong(BaseException):
    """Raised in the midst of whatever Python is doing."""


@contextmanager
def time_limit(network: nn.Module) -> Iterator[None]:
    """Interrupt what runs the network when it takes longer than `SECONDS`, a loop of plain Python included.

    Raises:
        NetworkError: It took longer; the message names the module that was entered last.
    """
    paths, entered = {module: path for path, module in network.named_modules()}, [""]

    def enter(module: nn.Module, _: Any) -> None:
        entered[0] = paths.get(module, entered[0])

    thread, interrupt = threading.get_ident(), ctypes.pythonapi.PyThreadState_SetAsyncExc
    timer = threading.Timer(SECONDS, interrupt, (ctypes.c_ulong(thread), ctypes.py_object(_TooLong)))
    timer.daemon = True
    hook = register_module_forward_pre_hook(enter)
    timer.start()
    try:
        yield
    except _TooLong:
        raise NetworkError(
            f"Tracing takes longer than {SECONDS:.0f} s; it has come to module {entered[0]!r}.",
            remedy="Choose another model, or mark the function that takes so long with torch.fx.wrap.",
        ) from None
    finally:
        timer.cancel()
        interrupt(ctypes.c_ulong(thread), None)  # it may have gone off just now
        hook.remove()
