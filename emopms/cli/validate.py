"""The command ``emopms validate``, which reports the problems of specs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from emopms.cli.output import fill, show, tell
from emopms.errors import SpecError
from emopms.spec import load_spec, render
from emopms.spec.given_weights import require_weights_file

if TYPE_CHECKING:
    import argparse


def command(arguments: argparse.Namespace) -> None:
    """Check all given specs, and report the problems of each spec.

    Raises:
        SpecError: A spec is wrong. The error holds the problems of the last wrong spec. The problems of earlier specs
            are printed before.
    """
    failed: SpecError | None = None
    valid = 0
    for path in arguments.specs:
        try:
            require_weights_file(load_spec(path, arguments.overrides))
        except SpecError as error:
            if failed:
                tell(f"{render(failed)}\n")
            failed = error
        else:
            show(f"{path}: valid")
            valid += 1
    if valid:
        unchecked = (
            "Data, weights and split points are not checked here: `emopms plan` checks them. Images are decoded by "
            "`emopms run`, before it trains."
        )
        show(fill(unchecked, sys.stdout))
    if failed:
        raise failed
