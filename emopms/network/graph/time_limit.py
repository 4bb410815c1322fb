"""A time limit for forward passes that may never end."""

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
"""Longest time in seconds for running a network once and tracing it."""


class _TooLong(BaseException):
    """The timer raises this exception in the thread that runs the network."""


@contextmanager
def time_limit(network: nn.Module) -> Iterator[None]:
    """Interrupt the code in the context when it takes longer than `SECONDS`, even in a loop of plain Python.

    Raises:
        NetworkError: The code took longer. The message names the module whose forward was entered last.
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
            f"Tracing takes longer than {SECONDS:.0f} s; the last module that was entered is {entered[0]!r}.",
            remedy="Choose another model, or mark the function that takes so long with torch.fx.wrap.",
        ) from None
    finally:
        timer.cancel()
        interrupt(ctypes.c_ulong(thread), None)  # cancels an exception that the timer may have raised just now
        hook.remove()
