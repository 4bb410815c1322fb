"""``emopms report``: writes the report of one or several finished runs again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.engine.finished.new_file import write_new
from emopms.engine.finished.several import open_together
from emopms.engine.pipeline.publish import MANIFEST, SPEC
from emopms.engine.report.page import render
from emopms.engine.report.story import RunStory, searches_of, tells_of_searches
from emopms.engine.search.named_costs import cost_names
from emopms.engine.storage.atomic import read_regular
from emopms.engine.storage.serialization import UNREADABLE, decode_json
from emopms.engine.storage.store import Store
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from pathlib import Path

    from emopms.engine.finished.result import Result


def report(runs: Sequence[str | PathLike[str]], file: str | PathLike[str]) -> Path:
    """Write the report of finished runs to a new file. The fronts of several runs are laid over each other.

    Args:
        runs: The run directories; at least one.
        file: The file of HTML.

    Returns:
        The path of the file.

    Raises:
        CommandError: Some runs measure accuracy and others agreement, or a run is named twice.
        StoreError: A folder holds no finished run, the file exists already, or it cannot be written.
    """
    stories = [_story(name, result) for name, result in open_together(runs).items()]
    return write_new(file, render(stories).encode(errors="backslashreplace"))


def _story(name: str, result: Result) -> RunStory:
    folder, store = result.folder, Store(result.folder / "store")
    # Only these: the checksums of all files of a stage are compared, and those of networks take long.
    keys = {name: key for name, key in (store.read_plan() or {}).items() if tells_of_searches(name)}
    stored = {name: store.status(name, key).artefact for name, key in keys.items()}
    try:
        manifest, spec = decode_json(read_regular(folder / MANIFEST)), read_regular(folder / SPEC).decode()
    except UNREADABLE as error:
        raise StoreError(
            f"{folder}: {MANIFEST} or {SPEC} cannot be read.", remedy="The same `emopms run` writes them again."
        ) from error
    return RunStory(
        name,
        str(folder),
        result.summary,
        result.front,
        result.widths,
        cost_names(result.spec),
        searches_of({name: artefact for name, artefact in stored.items() if artefact is not None}),
        manifest,
        spec,
    )
