"""The command ``emopms new``, which writes a package with a new component."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.cli.output import show
from emopms.scaffold import component_name, write_plugin

if TYPE_CHECKING:
    import argparse


def command(arguments: argparse.Namespace) -> None:
    """Write a plugin package and print the next steps."""
    name = component_name(arguments.name)
    folder = write_plugin(arguments.slot, name, arguments.into)
    lines = (
        f"{folder}/ is a package with the {arguments.slot} {name}. Next:",
        f"  cd {folder}",
        "  pip install -e '.[test]' && pytest",
        f"  emopms plugins {arguments.slot}/{name}",
    )
    show("\n".join(lines))
