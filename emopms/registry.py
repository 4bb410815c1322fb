"""The registry: finds the component class for a slot and a name.

Every installed component, built in or from a plugin, is an entry point in the group ``emopms.<slot>`` of its
distribution. Reading the entry points imports nothing. The module of a component is imported when the component's name
is first used, so that a broken or slow plugin matters only to specs that use it. The registry also finds the components
of the Python files that a spec lists (`emopms.plugin_file` reads these files).
"""

from __future__ import annotations

import configparser
import inspect
import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import entrypoints

from emopms.errors import PluginError, did_you_mean
from emopms.plugin_file import components_in, reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Files = Sequence[Path]
    """Python files whose components are found in addition to the installed ones."""

SLOTS: Final = (
    "backbone",
    "data",
    "split",
    "selector",
    "constraint",
    "objective",
    "sampling",
    "algorithm",
    "ranker",
    "exporter",
    "baseline",
    "tracker",
)


_NAME: Final = re.compile(r"\w[\w.-]*")


class UnknownComponentError(PluginError):
    """No component of the slot has the requested name."""


@dataclass(frozen=True)
class Origin:
    """The distribution or file that defines a component."""

    distribution: str
    """Name of the distribution; empty for a Python file."""
    version: str
    target: str
    """``module:Class``, or the path of the file."""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip() + f" ({self.target})" if self.distribution else self.target


def names(slot: str, files: Files = ()) -> list[str]:
    """Return the sorted names of all components of a slot that are installed or are defined in ``files``."""
    local = {name for file in files for place, name in components_in(file) if place == slot}
    return sorted(local | set(_entry_points(slot)))


def origins(slot: str, name: str, files: Files = ()) -> list[Origin]:
    """Return all origins of the component ``name``. If there is more than one origin, `find` raises an error."""
    return [origin for origin, _ in _claims(slot, name, files)]


def find(slot: str, name: str, files: Files = ()) -> type[Any]:
    """Return the component class ``name`` of ``slot``.

    Args:
        slot: One of `SLOTS`.
        name: Name of the component in a spec.
        files: Python files whose components are found in addition to the installed ones.

    Raises:
        UnknownComponentError: No component of the slot has this name.
        PluginError: Several origins define the name, the component's module cannot be imported, or the component is
            not a valid component of the slot.
    """
    claims = _claims(slot, name, files)
    if not claims:
        raise UnknownComponentError(
            f"There is no {slot} called {name!r}.", remedy=did_you_mean(name, names(slot, files))
        )
    if len(claims) > 1:
        raise PluginError(
            f"{slot} {name!r} is defined by {' and '.join(str(origin) for origin, _ in claims)}.",
            remedy="Uninstall one of the two distributions."
            if all(origin.distribution for origin, _ in claims)
            else "Rename one of the two.",
        )
    ((origin, local),) = claims
    return _check_component(slot, name, origin, local) if local else _installed(slot, name)


def _claims(slot: str, name: str, files: Files) -> list[tuple[Origin, type[Any] | None]]:
    """Return all origins of a component, each with a class.

    The class is None if the origin is a distribution, because its module is not imported yet.
    """
    installed = [(_origin(point), None) for point in _entry_points(slot).get(name, [])]
    read = ((file, components_in(file).get((slot, name))) for file in dict.fromkeys(files))
    return [*installed, *((Origin("", "", str(file)), local) for file, local in read if local)]


def _entry_points(slot: str) -> dict[str, list[Any]]:
    return _all_entry_points().get(slot, {})


@cache
def _all_entry_points() -> dict[str, dict[str, list[Any]]]:
    """Return the entry points of all slots, by slot and name.

    `entrypoints.get_group_all` would read the files of all distributions again for each slot.
    """
    found: dict[str, dict[str, list[Any]]] = {slot: {} for slot in SLOTS}
    try:
        for groups, distribution in entrypoints.iter_files_distros():
            for slot in SLOTS:
                if (group := f"emopms.{slot}") in groups:
                    for name, target in groups[group].items():
                        with entrypoints.BadEntryPoint.err_to_warnings():
                            point = entrypoints.EntryPoint.from_string(target, name, distribution)
                            _add_once(point, found[slot].setdefault(name, []))
    except (configparser.Error, UnicodeDecodeError) as error:  # of any distribution, not only of plugins
        raise PluginError(
            f"The entry points of a distribution cannot be read: {reason(error)}",
            remedy="Install that distribution again, or uninstall it.",
        ) from error
    return found


def _add_once(point: Any, same_name: list[Any]) -> None:
    # A distribution may be on the path twice, as a checkout and as an installed package: count it once.
    if all(_identity(point) != _identity(other) for other in same_name):
        same_name.append(point)


def _identity(point: Any) -> tuple[str, str, str]:
    distribution = point.distro.name if point.distro else ""
    return re.sub(r"[-_.]+", "-", distribution).lower(), point.module_name, point.object_name or ""


@cache
def _installed(slot: str, name: str) -> type[Any]:
    (point,) = _entry_points(slot)[name]
    try:
        with redirect_stdout(sys.stderr):  # what the module prints must not mix with what a command prints
            component = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the import of a plugin may raise anything, such as SystemExit
        raise PluginError(
            f"{slot} {name!r} of {_origin(point)} cannot be imported: {reason(error)}",
            remedy=f"Repair {_repair_remedy(point)}.",
        ) from error
    return _check_component(slot, name, _origin(point), component)


def _check_component(slot: str, name: str, origin: Origin, component: Any) -> type[Any]:
    """Return the component class, or raise an error if its base class, its methods or its name are wrong."""
    whose = f"{slot} {name!r} of {origin}"
    if not isinstance(component, type) or getattr(component, "slot", None) != slot:
        raise PluginError(
            f"{whose} is not a component of the slot {slot} but {getattr(component, '__qualname__', component)!r}.",
            remedy=f"Its class must derive from emopms.api.{slot.capitalize()}.",
        )
    if inspect.isabstract(component):
        missing = ", ".join(sorted(getattr(component, "__abstractmethods__", ())))
        raise PluginError(f"{whose} is not complete.", remedy=f"Its class must define {missing}.")
    field = getattr(component, "model_fields", {}).get("name")
    hint = getattr(field, "annotation", None)
    if getattr(field, "default", None) != name or get_origin(hint) is not Literal or get_args(hint) != (name,):
        raise PluginError(
            f"{whose} does not declare the name {name!r}.",
            remedy=f'Its class must declare `name: Literal["{name}"] = "{name}"`.',
        )
    if not _NAME.fullmatch(name):
        raise PluginError(f"{whose} does not have a valid name.", remedy="Use letters, digits, `_`, `-` and dots.")
    return component


def _origin(point: Any) -> Origin:
    distribution, version = (point.distro.name, point.distro.version or "") if point.distro else ("", "")
    return Origin(distribution, version, f"{point.module_name}:{point.object_name}")


def _repair_remedy(point: Any) -> str:
    return f"that distribution, or uninstall it: pip uninstall {point.distro.name}" if point.distro else "it"
