"""Says which code of the user changed since the last run, and which stages therefore run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emopms.engine.pipeline.plan import Planned
    from emopms.engine.storage.store import Store


def log_code_changes(store: Store, planned: Sequence[Planned], code: Mapping[str, str]) -> None:
    """Log one line if code changed since the last run in this store, and stages therefore run again.

    Call it before the record of the last run is replaced by `Store.write_plan`.

    Args:
        store: The store, with the record of the last run.
        planned: The stages of this run.
        code: Hashes of the code that this run uses (see `code_by_name`).
    """
    last = store.last_run()
    changed = [name for name, digest in code.items() if last.code.get(name, digest) != digest]
    again = [step for step in planned if last.stages.get(step.stage.name, step.key) != step.key]
    if not changed or not again or store.status(again[0].stage.name, again[0].key).state == "complete":
        return
    stages = again[0].stage.name
    stages += " runs" if again[0] is planned[-1] else " and all later stages run"
    logger.info("the code of {} changed since the last run: {} again", " and ".join(changed), stages)
