"""Writes the report: one file of HTML that needs nothing else."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Template

    from emopms.engine.report.story import RunStory


def render(stories: Sequence[RunStory]) -> str:
    """Return the report of one run, or of several runs whose fronts are laid over each other.

    The page is self-contained: it loads nothing, and it runs no code but its own script.

    Args:
        stories: What the report tells of each run; at least one.
    """
    data = json.dumps([story.as_json() for story in stories], allow_nan=False, separators=(",", ":"))
    return _template().render(
        title=" and ".join(story.name for story in stories),
        stories=stories,
        # In a script element, only "<" could end the element.
        data=data.replace("<", "\\u003c"),
        style=_file("report.css"),
        script=_file("report.js"),
        version=version("emopms"),
        others=any(
            model["costs"].keys() - {"macs", "params"} for story in stories for model in story.summary["models"]
        ),
        pretty=lambda value: json.dumps(value, indent=1, ensure_ascii=False),
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_file("report.html"))


def _file(name: str) -> str:
    return files(__package__).joinpath("template", name).read_text(encoding="utf-8")
