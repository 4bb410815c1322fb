"""The command ``emopms schema``, which prints the JSON Schema of specs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from emopms.cli.output import show, tell
from emopms.spec.catalog import catalog
from emopms.spec.schema import json_schema

if TYPE_CHECKING:
    import argparse


def command(arguments: argparse.Namespace) -> None:
    """Print the JSON Schema of specs with all installed components.

    Components that cannot be used are left out of the schema, and are named on standard error.
    """
    entries = catalog([file.absolute() for file in arguments.files])
    for entry in entries:
        if entry.error:
            tell(f"left out: {entry.error.message}\n  {entry.error.remedy}")
    show(json.dumps(json_schema(entry.component for entry in entries if entry.component), indent=1))
