"""Hashes of the source files of code that a spec names: of a module, and of the modules near it that it imports."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

_SITES: Final = ("site-packages", "dist-packages")
"""Names of folders of installed packages. The packages in such a folder do not belong together."""


def hash_of_sources(modules: Iterable[ModuleType]) -> str:
    """Hash the source files of some modules, and of the modules near them that they import directly or indirectly.

    An imported module is included if it is in the same top-level package. It is also included if it is in the folder
    that holds this package or this single file, unless this is a folder of installed packages. Imports are read from
    the source text. Therefore the same files have the same hash in every process, whatever modules it has imported. An
    import whose module name the program computes is not found.

    Raises:
        OSError, TypeError: A module has no file, or its file cannot be read.
    """
    found: dict[str, bytes] = {}
    for module in modules:
        root = _root(module)
        only = module.__name__.partition(".")[0] if root.name in _SITES else None
        _collect(module.__name__, root, only, found)
        if module.__name__ not in found:  # the module's file is not where the module's name says
            found[module.__name__] = _file(module).read_bytes()
    return _digest(found)


def hash_of_file_and_imports(path: Path, content: bytes) -> str:
    """Hash a Python file that is run by its path, and the modules in its folder that it imports.

    `hash_of_sources` says which imports are found.

    Args:
        path: The file.
        content: The bytes of the file when it was run.
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
    """Return the folder that contains the module's top-level package or, if it is in no package, its file."""
    depth = module.__name__.count(".") + hasattr(module, "__path__")
    return _file(module).absolute().parents[depth]


def _collect(name: str, root: Path, only: str | None, found: dict[str, bytes]) -> None:
    """Add to ``found`` the sources of a module, of the packages that contain it, and of all modules they import."""
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
    """Return the source file of a module in the folder ``root``, or None if there is no such file."""
    base = root.joinpath(*name.split("."))
    choices = (base / "__init__.py", base.with_name(f"{base.name}.py"))
    return next((file for file in choices if file.is_file()), None)


def _imports(content: bytes, package: str) -> Iterator[str]:
    """Yield the names of all modules that a source text imports.

    For ``from a import b``, both ``a`` and ``a.b`` are given, because ``b`` may be a module or another object.
    """
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # Python could not import this file either
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
