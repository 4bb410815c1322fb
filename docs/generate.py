"""Writes docs/components.md, docs/cli.md and schema/emopms.schema.json from the code: ``make docs``."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from emopms.cli.parser import parser
from emopms.registry import SLOTS
from emopms.spec.catalog import catalog, description, example, groups, parameters, plain_keys
from emopms.spec.schema import json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emopms.component import Component
    from emopms.spec.catalog import Parameter

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[Path, str]:
    """The files, and what belongs into them."""
    built_in = [
        entry.component
        for entry in catalog()
        if entry.component and [origin.distribution for origin in entry.origins] == ["emopms"]
    ]
    return {
        ROOT / "docs" / "components.md": "\n".join(_components(built_in)) + "\n",
        ROOT / "docs" / "cli.md": "\n".join(_command_line(parser())) + "\n",
        ROOT / "schema" / "emopms.schema.json": json.dumps(json_schema(built_in), indent=1, ensure_ascii=False) + "\n",
    }


def _components(components: list[type[Component]]) -> Iterator[str]:
    yield "# Components"
    yield ""
    yield "All built-in components, with their parameters, and the [other keys](#other-keys) of a spec. Made by `make"
    yield "docs` from the code; `emopms plugins` shows the same for components that are installed."
    for slot in SLOTS:
        yield f"\n## {slot}"
        for component in components:
            if component.slot == slot:
                yield from _component(component)
    yield "\n## Other keys"
    yield "\nThese keys of a spec hold no components:"
    yield from _table("key", plain_keys())
    for key, settings in groups().items():
        yield f"\n### {key}"
        yield ""
        yield description(settings)
        yield from _table("key", parameters(settings))


def _component(component: type[Component]) -> Iterator[str]:
    yield f"\n### {component.slot}/{component.model_fields['name'].default}"
    yield ""
    yield description(component)
    yield from _table("parameter", parameters(component))
    yield f"\n```yaml\n{example(component)}\n```"


def _table(heading: str, rows: list[Parameter]) -> Iterator[str]:
    if rows:
        yield f"\n| {heading} | type | default | |"
        yield "|---|---|---|---|"
    for row in rows:
        cells = (f"`{row.name}`", row.type, f"`{row.default}`" if row.default else "required", row.description)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _command_line(top: argparse.ArgumentParser) -> Iterator[str]:
    yield "# Command line"
    yield ""
    yield "All commands of `emopms`, with their arguments. Made by `make docs` from the code; `emopms COMMAND --help`"
    yield "shows the same. [Exit codes](runs.md#exit-codes) say how a command ended."
    (commands,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    for listed in commands._get_subactions():
        command: argparse.ArgumentParser = commands.choices[listed.dest]
        yield f"\n## {command.prog}"
        yield f"\n{_sentence(listed.help)}"
        arguments = [action for action in command._actions if not isinstance(action, argparse._HelpAction)]
        if arguments:
            yield "\n| argument | |"
            yield "|---|---|"
        for argument in arguments:
            yield f"| {_usage(argument)} | {_sentence(argument.help)} |"


def _usage(argument: argparse.Action) -> str:
    """The argument as a user writes it, such as ``--set PATH=VALUE``."""
    word = argument.metavar or (f"{{{','.join(argument.choices)}}}" if argument.choices else argument.dest)
    if not argument.option_strings:
        several, optional = argument.nargs in ("+", "*"), argument.nargs in ("?", "*")
        return f"`{word}{' …' if several else ''}`{' (optional)' if optional else ''}"
    value = "" if argument.nargs == 0 else f" {word}"
    return ", ".join(f"`{option}{value}`" for option in argument.option_strings)


def _sentence(text: str | None) -> str:
    text = re.sub(r"([|<])", r"\\\1", text or "").rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
