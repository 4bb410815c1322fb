"""Opens finished runs that are shown together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.engine.finished.result import Result
from emopms.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike


def open_together(runs: Sequence[str | PathLike[str]]) -> dict[str, Result]:
    """Return finished runs by a name for each: that of its folder or, if two folders have the same name, its path.

    Args:
        runs: The run directories; at least one.

    Raises:
        CommandError: Some runs measure accuracy and others agreement, or a run is named twice.
        StoreError: A folder holds no finished run.
    """
    results = [Result(run) for run in runs]
    names = [result.folder.resolve().name for result in results]
    if len(set(names)) < len(names):
        names = [str(result.folder) for result in results]
    if len(set(names)) < len(names):
        raise CommandError("A run is named twice.", remedy="Name each run once.")
    qualities = sorted({result.summary["quality"] for result in results})
    if len(qualities) > 1:
        raise CommandError(
            f"The runs measure {' and '.join(qualities)}, which cannot be compared.", remedy="Show them one by one."
        )
    return dict(zip(names, results, strict=True))
