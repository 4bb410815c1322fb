"""The settings of a spec in one flat table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def settings_by_path(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return all settings of a spec as text, by their paths, such as ``algorithm.pop_size`` and ``targets[0].macs``.

    Args:
        spec: A spec as plain data.
    """
    return dict(_flat(spec, ""))


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{index}]")
    else:
        yield path, str(value)
