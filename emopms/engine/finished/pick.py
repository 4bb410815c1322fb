"""``emopms.pick``: makes one more model from a finished search, and adds it to the models that are there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from loguru import logger

from emopms.engine.finished.opened import OpenedRun
from emopms.engine.finished.result import Result
from emopms.engine.pipeline.picks import stages_of_picks
from emopms.engine.pipeline.plan import model_stages, with_keys
from emopms.engine.pipeline.publish import publish
from emopms.engine.pipeline.run_directory import working_in
from emopms.engine.pipeline.runner import run_stages
from emopms.engine.results.networks import DenseNetwork
from emopms.engine.support.library_log import quiet_default_sink
from emopms.errors import RunError
from emopms.spec import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

    from emopms.engine.results.joint_front import Point
    from emopms.engine.support.progress import Progress
    from emopms.spec import Spec

_CHANGEABLE = ("finetune",)
"""Keys of the spec that a pick may change: none of them changes the search."""


def pick(
    run: Result | str | PathLike[str],
    *,
    target: Target | Mapping[str, Any] | None = None,
    accuracy: float | None = None,
    knee: bool = False,
    scheme: int | None = None,
    overrides: Sequence[str] = (),
    data_root: str | PathLike[str] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    command: Sequence[str] | None = None,
) -> Result:
    """Make one more model from the search of a finished run: prune, fine-tune, measure and export it. Nothing is
    searched again, except near the bounds of a new target. The models that are there stay as they are.

    Exactly one of ``target``, ``accuracy``, ``knee`` and ``scheme`` says which network it is.

    Args:
        run: The run, or its directory. After `emopms.prune`, give the result: a directory holds no datasets.
        target: A target, or a mapping with its bounds, such as ``{"macs": 0.4}`` or ``{"latency": {"at_most": 5.0}}``.
        accuracy: Takes the scheme with the fewest MACs whose validation accuracy, before fine-tuning, is at least this.
        knee: Takes the knee of the front (see `JointFront.knee`).
        scheme: Takes the scheme of this number in the front.
        overrides: Changes to ``finetune``, such as ``finetune.epochs=10``.
        data_root: The folder that relative paths in the spec start from; by default the one of the run.
        device: The device, as in `emopms.run`.
        progress: Receives the progress; by default nothing is shown.
        command: The command line that the manifest records; by default ``sys.argv``.

    Returns:
        The finished run with the new model.

    Raises:
        ValueError: Not exactly one network is asked for, or ``accuracy`` is not a share.
        KeyError: The front has no scheme of this number.
        RunError: No scheme is accurate enough, or meets the target.
        SpecError: The target bounds a cost that the run did not measure, or ``overrides`` change the search.
        EmopmsError: The run, its data or its stored results are missing.
    """
    if sum((target is not None, accuracy is not None, knee, scheme is not None)) != 1:
        raise ValueError("give exactly one of target, accuracy, knee and scheme")
    if accuracy is not None and not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy is a share from 0 to 1, such as 0.75; got {accuracy}")
    quiet_default_sink()
    before = run if isinstance(run, Result) else Result(run)
    folder, changed = before.folder, before._spec_with(overrides)
    _require_same_search(before.spec, changed)
    goal, name = _goal(before, target, accuracy=accuracy, knee=knee, scheme=scheme)
    with working_in(folder, seed=changed.seed, progress=progress) as (store, kept):
        opened = OpenedRun.open(folder, before.spec, data_root=data_root, device=device, progress=kept)
        planned, context, done = opened.planned, opened.context, opened.done()
        asked = goal.model_dump() if isinstance(goal, Target) else {"scheme": before.front.number_of(goal)}
        if isinstance(goal, Target) and not goal.cost_bounds:
            assert goal.accuracy_drop is not None
            least = DenseNetwork.load(done["pretrain"].artefact).score.accuracy - goal.accuracy_drop
            goal = before.front.genome(_cheapest(before, least).scheme)
        found_by = "refine" if any(step.stage.name == "refine" for step in planned) else "join"
        made, slug = {model["target"]: model["key"] for model in before.summary["models"]}, name
        while True:
            stages = model_stages(changed, goal, slug, found_by=found_by, device=str(context.device))
            steps = with_keys(stages, seed=changed.seed, fingerprint=opened.prepared.fingerprint, earlier=planned)
            if made.get(slug) in (None, steps[-1].key):
                break
            slug = f"{name}-{int(slug.removeprefix(name)[1:] or 1) + 1}"
        if slug in made:
            logger.info("{} is there already, in {}", slug, folder / "models" / slug)
            return before
        done = run_stages(steps, context.with_finetuning(changed.finetune), opened.store, earlier=done)
        keys = {step.stage.name: step.key for step in planned}
        keys |= stages_of_picks(folder, store, keys) | {step.stage.name: step.key for step in steps}
        store.write_plan(keys, store.last_run().code)
        publish(
            opened.prepared,
            done,
            folder=folder,
            command=command or sys.argv,
            plan=keys,
            picked={slug: {"target": asked, "finetune": changed.finetune.model_dump()}},
        )
    return before._again()


def _goal(
    run: Result, target: Target | Mapping[str, Any] | None, *, accuracy: float | None, knee: bool, scheme: int | None
) -> tuple[Target | NDArray[np.bool_], str]:
    """Return the target or the genome that is asked for, and the name of the model's folder."""
    if target is not None:
        written = target.model_dump() if isinstance(target, Target) else dict(target)
        values = run.spec.resolved() | {"targets": [written], "plugins": run.spec.plugins}
        (checked,) = type(run.spec)(**values).targets
        return checked, checked.slug
    if accuracy is not None:
        point = _cheapest(run, accuracy)
    else:
        point = run.front.knee if scheme is None else run.front[scheme]
    return run.front.genome(point.scheme), f"scheme-{point.scheme}"


def _cheapest(run: Result, accuracy: float) -> Point:
    """Return the scheme with the fewest MACs that is accurate enough.

    Raises:
        RunError: No scheme is.
    """
    point = run.front.cheapest(accuracy)
    if point is None:
        best = max(point.accuracy for point in run.front)
        raise RunError(
            f"No scheme has a validation accuracy of {accuracy:.2%} before fine-tuning; the best has {best:.2%}.",
            remedy="Ask for less, or search longer.",
        )
    return point


def _require_same_search(before: Spec, changed: Spec) -> None:
    """Refuse changes to the spec that would need another search.

    Raises:
        SpecError: Another key than those that a pick may change differs.
    """
    old, new = before.resolved(), changed.resolved()
    wrong = [key for key in old if old[key] != new[key] and key not in _CHANGEABLE]
    if wrong:
        raise changed.problem(
            (wrong[0],), "differs from the run, and would need another search.", "A pick may change `finetune` only."
        )
