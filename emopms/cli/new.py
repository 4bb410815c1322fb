"""The command ``emopms new``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.scaffold import write_plugin

if TYPE_CHECKING:
    import argparse


def command(arguments: argparse.Namespace) -> None:
    """Write a plugin package and print the next steps."""
    folder = write_plugin(arguments.slot, arguments.name, arguments.into)
    lines = (
        f"{folder}/ is a package with the {arguments.slot} {arguments.name}. Next:",
        f"  cd {folder}",
        "  pip install -e '.[test]' && pytest",
        f"  emopms plugins {arguments.slot}/{arguments.name}",
    )
    print("\n".join(lines))  # noqa: T201
