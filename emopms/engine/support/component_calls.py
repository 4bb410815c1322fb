"""Calls of components: what they raise becomes an error that names them."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from loguru import logger

from emopms.engine.storage.atomic import FREE_SPACE, is_full
from emopms.engine.support.interruption import interrupted
from emopms.errors import ComponentError, EmopmsError
from emopms.plugin_file import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emopms.component import Component


@contextmanager
def guarded_call(component: Component, action: str) -> Iterator[None]:
    """Run what stands inside as work of a component.

    Args:
        component: The component.
        action: What it does, such as ``build a network``.

    Raises:
        ComponentError: It raised something that is no error of emopms; the log holds its traceback.
        KeyboardInterrupt: The process was told to end meanwhile, so what the component made does not count.
    """
    try:
        yield
        if interrupted.is_set():
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too, would end the run without a word
        if interrupted.is_set():
            raise KeyboardInterrupt from error
        if isinstance(error, EmopmsError):
            raise
        whose = f"{component.slot} {component.name!r} ({type(component).__module__}:{type(component).__qualname__})"
        logger.opt(exception=error).debug("{} failed to {}", whose, action)
        raise ComponentError(
            f"The {whose} failed to {action}: {reason(error)}",
            remedy=FREE_SPACE
            if is_full(error)
            else "Check its settings; run.log and --log-level debug show where it happened.",
        ) from error


def is_passing(error: BaseException) -> bool:
    """Return whether the machine or the process failed, and not the candidate: the same call may succeed next time.

    That is so for a full disk and any other error of the operating system, a closed stream, `SystemExit`, and a
    worker process that died. What counts is the error itself or one that caused it.
    """
    found: BaseException | None = error
    while found is not None:
        closed = isinstance(found, ValueError) and "closed file" in str(found)
        no_thread = isinstance(found, RuntimeError) and "can't start new thread" in str(found)
        if isinstance(found, OSError | SystemExit | BrokenExecutor) or closed or no_thread:
            return True
        found = found.__cause__ or found.__context__
    return False


_KINDS = {"booleans": "b", "integers": "iu", "numbers": "fiu"}
"""As in `numpy.dtype.kind`."""


def validate_array(found: object, sort: str, *shape: int | None) -> None:
    """Refuse what a component returned unless it is an array of the right sort. Call it inside `guarded_call`.

    Args:
        sort: ``booleans``, ``integers`` or ``numbers``.
        shape: The shape that it must have; None stands for any number.

    Raises:
        ValueError: It is something else.
    """
    array = np.asarray(found)
    fits = len(array.shape) == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in _KINDS[sort]:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"returned {array.dtype} of shape {list(array.shape)} instead of {sort} [{wanted}]")
