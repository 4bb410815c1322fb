"""The versions that several files name belong together."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _version(pattern: str, file: str) -> str:
    (version,) = re.findall(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    return str(version)


def test_the_oldest_torch_that_is_tested_is_the_oldest_that_is_allowed() -> None:
    tested = _version(r"^torch==([\d.]+)$", "constraints-oldest.txt")
    assert tested == _version(r'"torch>=([\d.]+)"', "pyproject.toml") + ".0"
    assert tested == _version(r"oldest torch is ([\d.]+):", "docs/installation.md")


def test_the_pages_install_the_torch_of_the_constraints() -> None:
    assert _version(r"install torch==([\d.]+) --index-url", "docs/installation.md") == _version(
        r"^torch==([\d.]+)$", "constraints.txt"
    )
