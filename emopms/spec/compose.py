"""Composes one spec from several sources: a file, the files that it extends, and ``--set`` options.

A ``--set`` option overrides the file, and a file overrides the file that it extends. Mappings are merged key by key.
Other values are replaced as a whole, and so are lists. If the ``name`` of a component differs, the component is
replaced together with its parameters.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from emopms.errors import Problem, SpecError
from emopms.spec.document import MAX_NODES, Document, Position, Text
from emopms.spec.model import SLOT_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.component import Slot
    from emopms.spec.document import KeyPath

EXTENDS: Final = "extends"
_LONGEST_CHAIN: Final = 16
_LONGEST_PATH: Final = 4096

_STEPS = re.compile(r"[^\W\d]\w*(\.\w+|\[\d{1,9}\])*")


def read(path: Path, overrides: Sequence[str] = ()) -> Document:
    """Read a spec file and the files it extends, and apply overrides of the form ``path.to.key=value``.

    Raises:
        SpecError: A source cannot be read, or an override names a path that the spec cannot have.
    """
    document = _read_file(path, chain={})
    composed, settings = document, None
    for override in overrides:
        setting = _read_override(override, composed)
        # Merge the overrides first and then apply them together. If one override replaces a component, parameters
        # that other overrides set for the new component must stay.
        settings = setting if settings is None else _merge_documents(settings, setting, main=settings, exchange=False)
        composed = _merge_documents(document, settings, main=document)
    return composed


def _read_file(path: Path, *, chain: Mapping[str, int]) -> Document:
    """Read a file and the files that it extends.

    Args:
        path: The file.
        chain: The files that extend this file, directly or indirectly, with the number of values in each.
    """
    if chain and _is_special(path):
        raise SpecError([Problem((), "this is not a regular file.", file=str(path))])
    document = Document.read(path)
    _make_plugin_paths_absolute(path.parent, document.data)
    if EXTENDS not in document.data:
        return document
    base = document.data.pop(EXTENDS)
    chain = {**chain, _real_path(path): len(document.positions)}

    def refuse(message: str, remedy: str = "") -> NoReturn:
        raise SpecError([*document.problems, document.problem((EXTENDS,), message, remedy)])

    if not isinstance(base, str) or not 0 < len(base) <= _LONGEST_PATH:
        refuse("expected the path of another spec.", "The path is relative to the folder of this file.")
    base_path = path.parent / base
    if _real_path(base_path) in chain:
        refuse(f"{base} extends this file in turn.", "Remove one of the two `extends`.")
    if len(chain) == _LONGEST_CHAIN:
        refuse(f"more than {_LONGEST_CHAIN} specs extend each other.", "Merge some of them.")
    if sum(chain.values()) > MAX_NODES:
        refuse(f"specs that extend each other hold more than {MAX_NODES} values.", "Are these specs?")
    try:
        below = _read_file(base_path, chain=chain)
    except SpecError as error:
        problem = error.problems[0]
        if problem.line is None:  # the file as a whole is wrong: show the `extends` that names it
            refuse(f"{problem.file}: {problem.message}", "The path is relative to the folder of this file.")
        raise
    return _merge_documents(below, document, main=document)


def _is_special(path: Path) -> bool:
    """Return whether the path is a pipe or a device.

    Such a path is not opened: opening a pipe may block, and reading from a device may never end.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _real_path(path: Path) -> str:
    return os.path.realpath(path)  # Path.resolve raises an error for circular links


def _make_plugin_paths_absolute(folder: Path, data: dict[str, Any]) -> None:
    """Make the paths of plugin files absolute. ``folder`` is the folder of the spec file that contains the paths."""
    if isinstance(data.get("plugins"), list):
        data["plugins"] = [str(folder.absolute() / item) if isinstance(item, str) else item for item in data["plugins"]]


def _read_override(override: str, onto: Document) -> Document:
    text = Text.of("--set", override)
    written, equals, value = override.partition("=")

    def refuse(message: str, remedy: str) -> NoReturn:
        raise SpecError([text.problem((1, 1), (), message, remedy)])

    if not equals or not _STEPS.fullmatch(written.strip(" ")):
        refuse("expected path.to.key=value.", "Examples: algorithm.pop_size=20, targets[0].macs=0.4.")
    steps = re.findall(r"\w+", written)
    path = tuple(int(step) if step.isdecimal() and len(step) < 10 else step for step in steps)
    if path[0] == EXTENDS:
        refuse("extends can only be set in a file.", "Write a spec that extends the other one.")
    items: Any = onto.data
    for depth, step in enumerate(path):
        if isinstance(step, int) and not (isinstance(items, list) and step < len(items)):
            outer = Problem(path[:depth], "").dotted
            there = f"has {len(items)} item(s)" if isinstance(items, list) else "is not a list in the spec"
            refuse(f"{outer} {there}; there is no item {step}.", f"Items count from 0. Or set {outer} as a whole.")
        items = items[step] if isinstance(step, int) else items.get(step) if isinstance(items, dict) else None
    document = Document.setting(path, value, text=text, column=len(written) + 2)
    _make_plugin_paths_absolute(Path(), document.data)
    return document


def _merge_documents(base: Document, top: Document, *, main: Document, exchange: bool = True) -> Document:
    """Merge two documents.

    Args:
        base: The document to override.
        top: The document whose values override the values of ``base``.
        main: ``base`` or ``top``. Problems without a position are shown in this document.
        exchange: Whether a different ``name`` removes the parameters of the component in ``base``.
    """
    merge = _Merge(base, top, exchange=exchange)
    data = merge.merge(base.data, top.data, ())
    return Document(
        main.file, data, merge.positions | {(): main.positions[()]}, tuple(dict.fromkeys(base.problems + top.problems))
    )


class _Merge:
    """Merges the data of two documents and collects the positions of the result."""

    def __init__(self, base: Document, top: Document, *, exchange: bool) -> None:
        self._exchange = exchange
        self.positions: dict[KeyPath, Position] = {}
        self._base = dict(base.positions)
        self._top = top.positions

    def merge(self, old: Any, new: Any, path: KeyPath) -> Any:
        slot = _slot_at(path)
        if isinstance(new, dict):
            if isinstance(old, list) and new and all(isinstance(key, int) for key in new):  # list items, from --set
                self.positions[path] = self._base[path]
                return [self._merge_child(old, new, path, index) for index in range(len(old))]
            if slot and not isinstance(old, dict):
                old = self._expand(old, slot, path)
            if isinstance(old, dict) and not (self._exchange and slot and _replaces_component(slot, old, new)):
                self.positions[path] = self._base[path]
                return {key: self._merge_child(old, new, path, key) for key in old | new}
        return self._copy_positions(new, path, self._top)

    def _merge_child(self, old: Any, new: dict[Any, Any], path: KeyPath, key: str | int) -> Any:
        if key not in new:
            return self._copy_positions(old[key], (*path, key), self._base)
        return self.merge(old.get(key) if isinstance(old, dict) else old[key], new[key], (*path, key))

    def _copy_positions(self, value: Any, path: KeyPath, positions: Mapping[KeyPath, Position]) -> Any:
        """Return the value unchanged, after copying the positions of all values in it."""
        self.positions[path] = positions[path]
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, child in children:
            self._copy_positions(child, (*path, key), positions)
        return value

    def _expand(self, old: Any, slot: Slot, path: KeyPath) -> Any:
        """Expand a bare name or a bare list to a mapping, so that parameters can be merged into the mapping."""
        wide = slot.widen(old)
        if isinstance(wide, dict) and path in self._base:
            size = len(path)
            items = {inner: place for inner, place in self._base.items() if inner[:size] == path and inner != path}
            for inner, place in items.items():
                self._base[*path, slot.bare_list, *inner[size:]] = place
            for key in wide:
                self._base[*path, key] = self._base[path]
        return wide


def _replaces_component(slot: Slot, old: dict[str, Any], new: dict[str, Any]) -> bool:
    return "name" in new and new["name"] != old.get("name", slot.default)


def _slot_at(path: KeyPath) -> Slot | None:
    """Return the slot of the component at a path of the spec, or None if there is no component at the path."""
    field = SLOT_FIELDS.get(str(path[0])) if path else None
    return field.slot if field and len(path) == 1 + field.many else None
