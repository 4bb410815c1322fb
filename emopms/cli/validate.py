"""The command ``emopms validate``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from emopms.errors import SpecError
from emopms.spec import load_spec, render

if TYPE_CHECKING:
    import argparse


def command(arguments: argparse.Namespace) -> None:
    """Check specs and report the problems of all of them.

    Raises:
        SpecError: The problems of the last wrong spec. Those of earlier specs are printed before.
    """
    failed: SpecError | None = None
    for path in arguments.specs:
        try:
            load_spec(path, arguments.overrides)
        except SpecError as error:
            if failed:
                print(render(failed), end="\n\n", file=sys.stderr)  # noqa: T201
            failed = error
        else:
            print(f"{path}: valid")  # noqa: T201
    if failed:
        raise failed
