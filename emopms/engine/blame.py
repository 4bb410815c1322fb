"""Whose fault it is: what a component raises becomes an error that names it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from loguru import logger

from emopms.errors import ComponentError, EmopmsError
from emopms.plugin_file import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emopms.component import Component


@contextmanager
def at_work(component: Component, what: str) -> Iterator[None]:
    """Let a component work.

    Args:
        component: The component.
        what: What it does, such as ``build a network``.

    Raises:
        ComponentError: It raised something that is no error of emopms'; the log holds its traceback.
    """
    try:
        yield
    except (EmopmsError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit, too, would end the run without a word
        whose = f"{component.slot} {component.name!r} ({type(component).__module__}:{type(component).__qualname__})"
        logger.opt(exception=error).debug("{} failed to {}", whose, what)
        raise ComponentError(
            f"The {whose} failed to {what}: {reason(error)}",
            remedy="Check its settings; run.log and --log-level debug show where it happened.",
        ) from error
