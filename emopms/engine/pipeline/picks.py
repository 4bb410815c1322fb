"""The stages of models that were picked from a finished search. Later runs of the same search keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.engine.pipeline.publish import Published

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from emopms.engine.storage.store import Store


def stages_of_picks(folder: Path, store: Store, planned: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of complete stages of the models that were picked from the search of a run, by name.

    Args:
        folder: The run directory.
        store: Its store, with the record of the latest run.
        planned: The keys of the stages of the spec.
    """
    published = Published.read(folder)
    if published is None or published.summary["search"]["key"] != planned.get("measure"):
        return {}
    names = {model["target"] for model in published.summary["models"]}
    return {
        stage: key
        for stage, key in store.last_run().stages.items()
        if stage not in planned and stage.partition("/")[2] in names and store.status(stage, key).state == "complete"
    }
