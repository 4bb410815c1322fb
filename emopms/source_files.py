"""The source files of code that a spec names: a module, and what it imports from beside it."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

_SITES: Final = ("site-packages", "dist-packages")
"""Folders in which packages lie beside each other that have nothing to do with each other."""


def hash_of_sources(modules: Iterable[ModuleType]) -> str:
    """Hash the files of some modules and, through all imports, of those that stand beside them.

    Files count that are in the same top-level package. They count, too, if they are in the folder that the package or
    the single file is in, unless that is a folder of installed packages. Imports are read from the source, not from
    what happens to be imported: the same files have the same hash in every process. What is imported by a name that
    the program computes is not found.

    Raises:
        OSError, TypeError: A module has no file, or it cannot be read.
    """
    found: dict[str, bytes] = {}
    for module in modules:
        root = _root(module)
        only = module.__name__.partition(".")[0] if root.name in _SITES else None
        _collect(module.__name__, root, only, found)
        if module.__name__ not in found:  # a module whose file is elsewhere than its name says
            found[module.__name__] = _file(module).read_bytes()
    return _digest(found)


def hash_of_file_and_imports(path: Path, content: bytes) -> str:
    """Hash a Python file that is run by its path, and what it imports from its own folder (see `hash_of_sources`).

    Args:
        path: The file.
        content: Its bytes, as they were run.
    """
    found: dict[str, bytes] = {}
    for name in _imports(content, ""):
        _collect(name, path.parent, None, found)
    return _digest({"": content, **found}) if found else hashlib.sha256(content).hexdigest()


def _digest(found: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(found.items()):
        for part in (name.encode(), content):
            digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def _file(module: ModuleType) -> Path:
    file = getattr(module, "__file__", None)
    if file is None:
        raise TypeError(f"{module.__name__} has no file")
    return Path(file)


def _root(module: ModuleType) -> Path:
    """The folder that the module's top-level package, or its single file, is in."""
    depth = module.__name__.count(".") + hasattr(module, "__path__")
    return _file(module).absolute().parents[depth]


def _collect(name: str, root: Path, only: str | None, found: dict[str, bytes]) -> None:
    """Add the source of a module, of the packages it is in, and of all that these import, by name."""
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name in found or (only is not None and name.partition(".")[0] != only):
            continue
        file = _source(name, root)
        if file is None:
            continue
        found[name] = content = file.read_bytes()
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        parts = name.split(".")
        waiting += [".".join(parts[:length]) for length in range(1, len(parts))]
        waiting += _imports(content, package)


def _source(name: str, root: Path) -> Path | None:
    """The file of a module below the root; None where there is none."""
    base = root.joinpath(*name.split("."))
    choices = (base / "__init__.py", base.with_name(f"{base.name}.py"))
    return next((file for file in choices if file.is_file()), None)


def _imports(content: bytes, package: str) -> Iterator[str]:
    """Names of modules that a source imports anywhere in it, and of what could be one."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # it is imported by nobody as it is
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".") if package else []
            start = above[: len(above) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            if base:
                yield base
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)
