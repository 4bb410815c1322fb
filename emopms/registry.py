"""Slot and name → component class.

Every component, built in or from a plugin, is an entry point in the group ``emopms.<slot>`` of the
distribution that brings it. Reading the groups imports nothing; a component's module is imported when its
name is used, so a broken or slow plugin costs nothing until somebody asks for it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import entrypoints

from emopms.errors import PluginError, did_you_mean

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


class UnknownComponentError(PluginError):
    """No distribution brings a component of that name."""


@cache
def _entry_points(slot: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for point in entrypoints.get_group_all(f"emopms.{slot}"):
        same_name = found.setdefault(point.name, [])
        # A distribution found twice on the path (a checkout that is also installed) claims nothing twice.
        if all((point.module_name, point.object_name) != (p.module_name, p.object_name) for p in same_name):
            same_name.append(point)
    return found


def names(slot: str) -> list[str]:
    """Names of all components installed for a slot, sorted."""
    return sorted(_entry_points(slot))


@cache
def find(slot: str, name: str) -> type[Any]:
    """The component class called ``name`` in ``slot``.

    Raises:
        UnknownComponentError: Nothing installed has that name.
        PluginError: Two distributions claim it, or the one that does cannot be imported.
    """
    claims = _entry_points(slot).get(name, [])
    if not claims:
        raise UnknownComponentError(f"There is no {slot} called {name!r}.", remedy=did_you_mean(name, names(slot)))
    if len(claims) > 1:
        origins = " and ".join(_origin(point) for point in claims)
        raise PluginError(f"{slot} {name!r} is claimed by {origins}.", remedy="Uninstall one of the two distributions.")
    point = claims[0]
    try:
        component = point.load()
    except Exception as error:  # whatever a plugin's module raises while it is imported
        raise PluginError(
            f"{slot} {name!r} of {_origin(point)} cannot be imported: {type(error).__name__}: {error}",
            remedy="Repair that distribution, or uninstall it.",
        ) from error
    if getattr(component, "slot", None) != slot:
        raise PluginError(
            f"{slot} {name!r} of {_origin(point)} is not a {slot} component "
            f"but {getattr(component, '__qualname__', component)!r}.",
            remedy=f"Its class must derive from emopms.api.{slot.capitalize()}.",
        )
    return component  # type: ignore[no-any-return]


def _origin(point: Any) -> str:
    where = f"{point.module_name}:{point.object_name}"
    return f"{point.distro.name} {point.distro.version} ({where})" if point.distro else where
