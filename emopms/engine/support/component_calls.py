"""Whose fault it is: what a component raises becomes an error that names it."""

from __future__ import annotations

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
def guarded_call(component: Component, what: str) -> Iterator[None]:
    """Let a component work.

    Args:
        component: The component.
        what: What it does, such as ``build a network``.

    Raises:
        ComponentError: It raised something that is no error of emopms'; the log holds its traceback.
        KeyboardInterrupt: The process was told to end meanwhile: whatever the component made of that does not count.
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
        logger.opt(exception=error).debug("{} failed to {}", whose, what)
        raise ComponentError(
            f"The {whose} failed to {what}: {reason(error)}",
            remedy=FREE_SPACE
            if is_full(error)
            else "Check its settings; run.log and --log-level debug show where it happened.",
        ) from error


_KINDS = {"booleans": "b", "integers": "iu", "numbers": "fiu"}
"""As in `numpy.dtype.kind`."""


def validate_array(found: object, sort: str, *shape: int | None) -> None:
    """Refuse what a component returned, while it is at work, unless it is an array of the right sort.

    Args:
        sort: ``booleans``, ``integers`` or ``numbers``.
        shape: What it must have; None stands for any number.

    Raises:
        ValueError: It is not.
    """
    array = np.asarray(found)
    fits = len(array.shape) == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in _KINDS[sort]:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"returned {array.dtype} of shape {list(array.shape)} instead of {sort} [{wanted}]")
