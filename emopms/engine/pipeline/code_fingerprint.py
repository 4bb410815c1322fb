"""Hashes of plugin code. If a plugin is edited, its hash changes, and stored results of its old code are not used."""

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
from emopms.source_files import hash_of_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from emopms.spec import Spec


def code_fingerprint(spec: Spec, keys: Iterable[str]) -> dict[str, str]:
    """Return the hash of the code of each plugin component under some keys of a spec, by kind and name of the
    component, such as ``objective/my_cost``.

    `code_of` says which code counts.

    Raises:
        PluginError: The source of a component cannot be read.
    """
    return code_of(getattr(spec, key) for key in keys)


def code_of(values: Iterable[object]) -> dict[str, str]:
    """Return the hash of the code of each plugin component in some values of a spec, by kind and name of the component,
    such as ``objective/my_cost``.

    For a component in a package, the code is all files of the package. For a component in a single file, the code is
    this file and all files that it imports from its own folder. Imports from other places do not count. Built-in
    components are left out, because the version of a stage changes when their code changes.

    Raises:
        PluginError: The source of a component cannot be read.
    """
    components = [component for value in values for component in _components(value)]
    return {
        f"{component.slot}/{component.name}": _hash(type(component))
        for component in components
        if not type(component).__module__.startswith("emopms.")
    }


def code_by_name(spec: Spec) -> dict[str, str]:
    """Return the hash of all code outside emopms that a spec uses, by a name that its user knows: a file such as
    ``my_cost.py``, a package, or the function that a backbone names.

    Raises:
        PluginError: The source of a component cannot be read.
    """
    kinds = {type(component) for key in type(spec).model_fields for component in _components(getattr(spec, key))}
    found = {_name(kind): _hash(kind) for kind in kinds if not kind.__module__.startswith("emopms.")}
    if code := spec.backbone.fingerprint():
        settings = spec.backbone.model_dump(mode="json", exclude={"name", "weights", "weights_key"})
        named = [value for value in settings.values() if isinstance(value, str)]
        found[", ".join(named) or f"backbone {spec.backbone.name}"] = code
    return found


def _name(component: type[Component]) -> str:
    """Return the name of the package or, if it is in none, of the file that defines a component."""
    top = component.__module__.partition(".")[0]
    file = getattr(sys.modules[component.__module__], "__file__", None)
    return top if hasattr(sys.modules[top], "__path__") or not file else Path(file).name


def _components(value: object) -> Iterator[Component]:
    """Yield all components in a value of a spec, also components that are fields of other components."""
    if isinstance(value, tuple):
        for item in value:
            yield from _components(item)
    elif isinstance(value, Settings):
        if isinstance(value, Component):
            yield value
        for name in type(value).model_fields:
            yield from _components(getattr(value, name))


@cache  # a later edit of the file does not change the loaded class
def _hash(component: type[Component]) -> str:
    module = sys.modules[component.__module__]
    if digest := hash_of(module):
        return digest
    top = sys.modules[component.__module__.partition(".")[0]]
    file = getattr(module, "__file__", None)
    try:
        if folders := getattr(top, "__path__", None):
            return _hash_of_package([Path(folder) for folder in folders])
        if file:
            return hash_of_sources([module])
        # A class without a file, such as in a notebook: hash the source of the class.
        content = inspect.getsource(component).encode()
    except (OSError, TypeError) as error:
        raise PluginError(
            f"The source of the {component.slot} {component.__qualname__} cannot be read: {reason(error)}.",
            remedy="Put the class into a file: results are stored under what made them.",
        ) from error
    return hashlib.sha256(content).hexdigest()


def _hash_of_package(folders: list[Path]) -> str:
    """Hash all files of a plugin package, also data files, because its code may read them. Compiled files do not
    count."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                for content in (str(file.relative_to(folder)).encode(), file.read_bytes()):
                    digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()
