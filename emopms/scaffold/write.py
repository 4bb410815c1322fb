"""Writes a plugin package from templates: one component, its test and its documentation."""

from __future__ import annotations

import keyword
import re
from importlib import import_module, resources
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from emopms import __version__, registry
from emopms.errors import PluginError
from emopms.spec.catalog import example
from emopms.spec.scalars import read_plain

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def write_plugin(slot: str, name: str, into: Path) -> Path:
    """Write an installable package with one working component.

    Args:
        slot: One of `emopms.registry.SLOTS`.
        name: Name of the component in a spec, such as ``my_latency``. Dashes become underscores.
        into: The folder in which the package's folder is created.

    Returns:
        The package's folder, such as ``emopms-my-latency``.

    Raises:
        PluginError: The name is taken or not valid, or the folder exists or cannot be written.
    """
    name = component_name(name)
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or read_plain(name) != name:
        raise PluginError(
            f"{name!r} is not a valid name of a component.",
            remedy="Use small letters, digits and single underscores or dashes, such as my_latency.",
        )
    module = f"emopms_{name}"
    if claims := registry.origins(slot, name):
        raise PluginError(f"The {slot} {name!r} exists already, from {claims[0]}.", remedy="Choose another name.")
    if find_spec(module):  # two distributions cannot install one module
        raise PluginError(f"A module {module} is installed already.", remedy="Choose another name.")
    if re.search(rf"\b{_class(name)}\b", _template(f"{slot}.py")):
        raise PluginError(f"The class {_class(name)} would hide another one.", remedy="Choose another name.")
    folder = into / module.replace("_", "-")
    files = {
        "pyproject.toml": "pyproject.txt",
        "README.md": "README.md",
        f"{module}.py": f"{slot}.py",
        f"tests/test_{module}.py": "test.txt",
    }
    try:
        folder.mkdir(parents=True)
        (folder / "tests").mkdir()
        for file, template in files.items():
            (folder / file).write_text(_fill(template, slot, name), encoding="utf-8")
    except FileExistsError:
        raise PluginError(f"{folder} exists.", remedy="Remove it, choose another name, or use --into.") from None
    except OSError as error:
        raise PluginError(
            f"{folder} cannot be written: {error.strerror or error}.", remedy="Choose another folder with --into."
        ) from error
    return folder


def component_name(written: str) -> str:
    """Return the name of a component as it is written in a spec: dashes become underscores."""
    return written.replace("-", "_")


def _template(file: str) -> str:
    return (resources.files("emopms.scaffold.templates") / file).read_text(encoding="utf-8")


def _class(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _fill(template: str, slot: str, name: str) -> str:
    text = _template(template)
    component = getattr(import_module(f"emopms.scaffold.templates.{slot}"), f"New{slot.capitalize()}")
    words = {
        "NEW-EXAMPLE": example(component),
        f"New{slot.capitalize()}": _class(name),
        f"new_{slot}": name,
        "NEW-NAME": name.replace("_", "-"),
        "NEW_NAME": name,
        "NEW_CLASS": _class(name),
        "NEW_SLOT_CLASS": slot.capitalize(),
        "NEW_SLOT": slot,
        "NEW_VERSION": __version__,
    }
    for placeholder, word in words.items():
        text = text.replace(placeholder, word)
    return text
