"""Guarded calls of components: an error in a component becomes an error that names the component."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from loguru import logger

from emopms.engine.storage.atomic import FREE_SPACE, is_full
from emopms.engine.support.interruption import interrupted
from emopms.engine.support.log_sinks import restore_sinks
from emopms.engine.support.machine_failures import is_passing
from emopms.errors import ComponentError, EmopmsError
from emopms.plugin_file import line_in, reason
from emopms.process_state import unchanged_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emopms.component import Component


@contextmanager
def guarded_call(component: Component, action: str, *, remedy: str = "Check its settings") -> Iterator[None]:
    """Run the body of the ``with`` statement as work of a component.

    Args:
        component: The component.
        action: The work as a verb phrase, such as ``build a network``, for the error message.
        remedy: What the user can do if the component fails, without the full stop. Failures of the machine have
            another remedy.

    Raises:
        ComponentError: The component raised an error that is not an `EmopmsError`. The log holds the traceback.
        KeyboardInterrupt: The process received a signal to end, even if the component caught the signal's exception.
    """
    whose = f"{component.slot} {component.name!r} ({type(component).__module__}:{type(component).__qualname__})"
    try:
        with unchanged_process(f"The {whose}"):
            try:
                yield
            finally:
                restore_sinks(f"The {whose}")  # first, because `unchanged_process` may log warnings
        if interrupted.is_set():
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, which would end the run without a message
        if interrupted.is_set():
            raise KeyboardInterrupt from error
        if isinstance(error, EmopmsError):
            raise
        logger.opt(exception=error).debug("{} failed to {}", whose, action)
        raise ComponentError(
            f"The {whose} failed to {action}: {reason(error)}{_place(component, error)}",
            remedy=_remedy(error, remedy),
        ) from error


def _remedy(error: BaseException, usual: str) -> str:
    if is_full(error):
        return FREE_SPACE
    log = "run.log and --log-level debug show the traceback."
    if is_passing(error):
        return (
            "Check its settings, and the machine: free space, open files, other processes. "
            f"Then run again: it goes on from here; {log}"
        )
    return f"{usual}; {log}"


def _place(component: Component, error: BaseException) -> str:
    """Return the place in a plugin's file that led to an error, such as `` (my_cost.py:12)``, if there is one."""
    file = getattr(sys.modules.get(type(component).__module__), "__file__", None)
    line = line_in(Path(file), error) if file else ""
    return f" ({file}{line})" if line else ""


_DTYPE_KINDS = {"booleans": "b", "integers": "iu", "numbers": "fiu"}
"""For each sort of array that `validate_array` checks: the values that its `numpy.dtype.kind` may have."""


def validate_array(found: object, sort: str, *shape: int | None) -> None:
    """Check that a component returned an array of the right type and shape. Call it inside `guarded_call`.

    Args:
        found: The value that the component returned.
        sort: ``booleans``, ``integers`` or ``numbers``.
        shape: The required shape; None allows any size.

    Raises:
        ValueError: The type or the shape is wrong.
    """
    array = np.asarray(found)
    fits = len(array.shape) == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in _DTYPE_KINDS[sort]:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"returned {array.dtype} of shape {list(array.shape)} instead of {sort} [{wanted}]")
