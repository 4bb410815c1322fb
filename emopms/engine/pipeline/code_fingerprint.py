"""Fingerprints of plugin code: an edited plugin must not get results from the store that its old code made."""

from __future__ import annotations

import hashlib
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from emopms.component import Component, Settings
from emopms.errors import PluginError
from emopms.plugin_file import hash_of, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emopms.spec import Spec


def code_fingerprint(spec: Spec, keys: Iterable[str]) -> dict[str, str]:
    """Return hashes of the code of the components under some keys of a spec, by slot and name (see `code_of`).

    Raises:
        PluginError: The source of a component cannot be read.
    """
    return code_of(getattr(spec, key) for key in keys)


def code_of(values: Iterable[object]) -> dict[str, str]:
    """Return hashes of the code of the components in some values of a spec, by slot and name.

    The code is all files of the package that a component comes from, or the file that defines it and what that imports
    from its own folder. Built-in components are left out: a stage's version stands for them. What the files import
    from elsewhere does not count.

    Raises:
        PluginError: The source of a component cannot be read.
    """
    components = [component for value in values for component in _components(value)]
    return {
        f"{component.slot}/{component.name}": _hash(type(component))
        for component in components
        if not type(component).__module__.startswith("emopms.")
    }


def _components(value: object) -> Iterator[Component]:
    """Yield the components in a value of a spec; one may hold others."""
    if isinstance(value, tuple):
        for item in value:
            yield from _components(item)
    elif isinstance(value, Settings):
        if isinstance(value, Component):
            yield value
        for name in type(value).model_fields:
            yield from _components(getattr(value, name))


@cache  # the class stays what it is when its file is edited later on
def _hash(component: type[Component]) -> str:
    module = sys.modules[component.__module__]
    if digest := hash_of(module):
        return digest
    top = sys.modules[component.__module__.partition(".")[0]]
    file = getattr(module, "__file__", None)
    try:
        if folders := getattr(top, "__path__", None):
            return _hash_of_package([Path(folder) for folder in folders])
        # Without a file, as in a notebook, the source of the class itself has to do.
        content = Path(file).read_bytes() if file else inspect.getsource(component).encode()
    except (OSError, TypeError) as error:
        raise PluginError(
            f"The source of the {component.slot} {component.__qualname__} cannot be read: {reason(error)}.",
            remedy="Put the class into a file: results are stored under what made them.",
        ) from error
    return hashlib.sha256(content).hexdigest()


def _hash_of_package(folders: list[Path]) -> str:
    """Hash all files of a package: code may read any of them, so data files count, but not what Python compiles."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                for content in (str(file.relative_to(folder)).encode(), file.read_bytes()):
                    digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()
