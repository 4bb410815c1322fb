"""Slot and name → component class.

Every component, built in or from a plugin, is an entry point in the group ``emopms.<slot>`` of the
distribution that brings it. Reading the groups imports nothing; a component's module is imported when its
name is used, so a broken or slow plugin costs nothing until somebody asks for it. Beside them stand the
components of files that a spec names (see `emopms.plugin_file`).
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
    """Python files whose components count beside the installed ones."""

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
)


_NAME: Final = re.compile(r"\w[\w.-]*")


class UnknownComponentError(PluginError):
    """Nobody brings a component of that name."""


@dataclass(frozen=True)
class Origin:
    """Who brings a component."""

    distribution: str
    """Name of the distribution; empty for a file that a spec names."""
    version: str
    target: str
    """``module:Class``, or the path of the file."""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip() + f" ({self.target})" if self.distribution else self.target


def names(slot: str, files: Files = ()) -> list[str]:
    """Names of all components for a slot, installed or in the files, sorted."""
    local = {name for file in files for place, name in components_in(file) if place == slot}
    return sorted(local | set(_entry_points(slot)))


def origins(slot: str, name: str, files: Files = ()) -> list[Origin]:
    """Who claims to bring the component ``name``; more than one is an error as soon as it is used."""
    return [origin for origin, _ in _claims(slot, name, files)]


def find(slot: str, name: str, files: Files = ()) -> type[Any]:
    """The component class called ``name`` in ``slot``.

    Args:
        slot: One of `SLOTS`.
        name: What the component is called in a spec.
        files: Python files whose components count beside the installed ones.

    Raises:
        UnknownComponentError: Nothing has that name.
        PluginError: Two claim it, or what does cannot be imported or is no such component.
    """
    claims = _claims(slot, name, files)
    if not claims:
        raise UnknownComponentError(
            f"There is no {slot} called {name!r}.", remedy=did_you_mean(name, names(slot, files))
        )
    if len(claims) > 1:
        raise PluginError(
            f"{slot} {name!r} is claimed by {' and '.join(str(origin) for origin, _ in claims)}.",
            remedy="Uninstall one of the two distributions."
            if all(origin.distribution for origin, _ in claims)
            else "Rename one of the two.",
        )
    ((origin, local),) = claims
    return _checked(slot, name, origin, local) if local else _installed(slot, name)


def _claims(slot: str, name: str, files: Files) -> list[tuple[Origin, type[Any] | None]]:
    """Who brings the component; of files, which have been run by then, with its class."""
    installed = [(_origin(point), None) for point in _entry_points(slot).get(name, [])]
    read = ((file, components_in(file).get((slot, name))) for file in dict.fromkeys(files))
    return [*installed, *((Origin("", "", str(file)), local) for file, local in read if local)]


@cache
def _entry_points(slot: str) -> dict[str, list[Any]]:
    try:
        points = entrypoints.get_group_all(f"emopms.{slot}")
    except (configparser.Error, UnicodeDecodeError) as error:  # in any distribution, not only in plugins
        raise PluginError(
            f"The entry points of a distribution cannot be read: {reason(error)}",
            remedy="Install that distribution again, or uninstall it.",
        ) from error
    found: dict[str, list[Any]] = {}
    for point in points:
        same_name = found.setdefault(point.name, [])
        # A distribution found twice on the path (a checkout that is also installed) claims nothing twice.
        if all(_identity(point) != _identity(other) for other in same_name):
            same_name.append(point)
    return found


def _identity(point: Any) -> tuple[str, str, str]:
    distribution = point.distro.name if point.distro else ""
    return re.sub(r"[-_.]+", "-", distribution).lower(), point.module_name, point.object_name or ""


@cache
def _installed(slot: str, name: str) -> type[Any]:
    (point,) = _entry_points(slot)[name]
    try:
        with redirect_stdout(sys.stderr):  # what a plugin prints must not end up in a schema
            component = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a plugin's module raises while it is imported: SystemExit, …
        raise PluginError(
            f"{slot} {name!r} of {_origin(point)} cannot be imported: {reason(error)}",
            remedy=f"Repair {_repair(point)}.",
        ) from error
    return _checked(slot, name, _origin(point), component)


def _checked(slot: str, name: str, origin: Origin, component: Any) -> type[Any]:
    """The component, if it is one of that slot and name that can be made."""
    whose = f"{slot} {name!r} of {origin}"
    if not isinstance(component, type) or getattr(component, "slot", None) != slot:
        raise PluginError(
            f"{whose} is no component of the slot {slot} but {getattr(component, '__qualname__', component)!r}.",
            remedy=f"Its class must derive from emopms.api.{slot.capitalize()}.",
        )
    if inspect.isabstract(component):
        missing = ", ".join(sorted(getattr(component, "__abstractmethods__", ())))
        raise PluginError(f"{whose} is not complete.", remedy=f"Its class must define {missing}.")
    field = getattr(component, "model_fields", {}).get("name")
    hint = getattr(field, "annotation", None)
    if getattr(field, "default", None) != name or get_origin(hint) is not Literal or get_args(hint) != (name,):
        raise PluginError(
            f"{whose} does not call itself {name!r}.",
            remedy=f'Its class must say `name: Literal["{name}"] = "{name}"`.',
        )
    if not _NAME.fullmatch(name):
        raise PluginError(
            f"{whose} has a name that no spec should need to quote.", remedy="Use letters, digits, `_`, `-` and dots."
        )
    return component


def _origin(point: Any) -> Origin:
    distribution, version = (point.distro.name, point.distro.version or "") if point.distro else ("", "")
    return Origin(distribution, version, f"{point.module_name}:{point.object_name}")


def _repair(point: Any) -> str:
    return f"that distribution, or uninstall it: pip uninstall {point.distro.name}" if point.distro else "it"
