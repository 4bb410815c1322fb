"""``emopms report``: writes the report of one or several finished runs again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emopms.engine.finished.new_file import write_new
from emopms.engine.finished.result import Result
from emopms.engine.pipeline.publish import MANIFEST, SPEC
from emopms.engine.report.page import render
from emopms.engine.report.story import RunStory, searches_of, tells_of_searches
from emopms.engine.search.named_costs import cost_names
from emopms.engine.storage.atomic import read_regular
from emopms.engine.storage.serialization import decode_json
from emopms.engine.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike


def report(runs: Sequence[str | PathLike[str]], file: str | PathLike[str]) -> Path:
    """Write the report of finished runs to a new file. The fronts of several runs are laid over each other.

    Args:
        runs: The run directories; at least one.
        file: The file of HTML.

    Returns:
        The path of the file.

    Raises:
        StoreError: A folder holds no finished run, the file exists already, or it cannot be written.
    """
    return write_new(file, render([_story(Path(run)) for run in runs]).encode())


def _story(folder: Path) -> RunStory:
    result, store = Result(folder), Store(folder / "store")
    # Only these: the checksums of all files of a stage are compared, and those of networks take long.
    keys = {name: key for name, key in (store.read_plan() or {}).items() if tells_of_searches(name)}
    stored = {name: store.status(name, key).artefact for name, key in keys.items()}
    return RunStory(
        folder.resolve().name,
        result.summary,
        result.front,
        result.widths,
        cost_names(result.spec),
        searches_of({name: artefact for name, artefact in stored.items() if artefact is not None}),
        decode_json(read_regular(folder / MANIFEST)),
        read_regular(folder / SPEC).decode(),
    )
