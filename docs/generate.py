"""Writes docs/components.md and schema/emopms.schema.json from the built-in components: ``make docs``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from emopms.registry import SLOTS
from emopms.spec.catalog import catalog, description, example, parameters
from emopms.spec.schema import json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emopms.component import Component

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
        ROOT / "schema" / "emopms.schema.json": json.dumps(json_schema(built_in), indent=1, ensure_ascii=False) + "\n",
    }


def _components(components: list[type[Component]]) -> Iterator[str]:
    yield "# Components"
    yield ""
    yield "All built-in components, with their parameters. Made by `make docs` from the code; `emopms plugins` shows"
    yield "the same for what is installed."
    for slot in SLOTS:
        yield f"\n## {slot}"
        for component in components:
            if component.slot == slot:
                yield from _component(component)


def _component(component: type[Component]) -> Iterator[str]:
    yield f"\n### {component.slot}/{component.model_fields['name'].default}"
    yield ""
    yield description(component)
    rows = parameters(component)
    if rows:
        yield "\n| parameter | type | default | |"
        yield "|---|---|---|---|"
    for row in rows:
        cells = (f"`{row.name}`", row.type, f"`{row.default}`" if row.default else "required", row.description)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield f"\n```yaml\n{example(component)}\n```"


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
