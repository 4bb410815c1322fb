"""The command ``emopms plugins``, which lists or describes components."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Final

from emopms.cli.output import fill, show
from emopms.errors import PluginError, did_you_mean
from emopms.registry import SLOTS, names
from emopms.spec.catalog import catalog, description, entry, example, parameters, summary
from emopms.spec.model import SLOT_FIELDS, Spec

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from emopms.registry import Files
    from emopms.spec.catalog import Entry


KEYS_PAGE: Final = "docs/components.md#other-keys"
"""The section of the documentation that describes the keys of a spec that hold no components."""


def command(arguments: argparse.Namespace) -> None:
    """Print a list of all components, one per line. If the user names a component, print its description instead."""
    path, files = arguments.component, [file.absolute() for file in arguments.files]
    lines = _list(files) if path is None else _describe(path, files)
    show("\n".join(lines))


def _list(files: Files) -> Iterator[str]:
    rows = [(entry.path, _origin(entry), _summary(entry)) for entry in catalog(files)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for path, origin, text in rows:
        line = f"{path:<{widths[0]}}  {origin:<{widths[1]}}  {text}"
        yield fill(line, sys.stdout, hang=widths[0] + widths[1] + 4)


def _origin(entry: Entry) -> str:
    return ", ".join(f"{o.distribution} {o.version}".strip() or o.target for o in entry.origins)


def _summary(entry: Entry) -> str:
    return summary(entry.component) if entry.component else f"cannot be used: {' '.join(str(entry.error).split())}"


def _where(word: str) -> str:
    """Return what a user can do who asks for a slot that does not exist: it may be a key of a spec."""
    if word not in Spec.model_fields:
        return did_you_mean(word, SLOTS)
    if word in SLOT_FIELDS:
        return f"The key `{word}` of a spec holds components of the slot {SLOT_FIELDS[word].slot.slot}."
    return f"`{word}` is a key of a spec that holds no component: see {KEYS_PAGE}, or the output of `emopms schema`."


def _describe(path: str, files: Files) -> Iterator[str]:
    """Yield the lines that describe one component, with its parameters and an example.

    Raises:
        PluginError: The component does not exist or cannot be used.
    """
    slot, _, name = path.partition("/")
    if slot not in SLOTS:
        raise PluginError(f"There is no slot {slot!r}.", remedy=_where(slot))
    if not name:
        raise PluginError(f"Which {slot}?", remedy=did_you_mean(name, names(slot, files)))
    found = entry(slot, name, files)
    if found.component is None:
        raise found.error or PluginError(f"{path} cannot be used.")
    yield f"{path}, from {found.origins[0]}"
    yield ""
    yield from _paragraphs(description(found.component))
    for number, parameter in enumerate(parameters(found.component)):
        if number == 0:
            yield "\nparameters"
        value = f"default {parameter.default}" if parameter.default else "required"
        yield fill(f"  {parameter.name}: {parameter.type}; {value}", sys.stdout, hang=6)
        yield fill(f"      {parameter.description}", sys.stdout)
    if shown := example(found.component):
        yield "\nexample"
        yield textwrap.indent(shown, "  ")


def _paragraphs(text: str) -> Iterator[str]:
    """Yield each paragraph of a docstring as one line that fits on the terminal. Indented ones stay as they are."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ""
        if any(line.startswith(" ") for line in paragraph.split("\n")):
            yield paragraph
        else:
            yield fill(" ".join(paragraph.split("\n")), sys.stdout)
