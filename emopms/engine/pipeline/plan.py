"""Lists the stages that a spec asks for, and computes their keys. It writes nothing, and needs no results of stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emopms.engine.pipeline.code_fingerprint import code_fingerprint
from emopms.engine.stages.aim import Aim
from emopms.engine.stages.breakdown import BreakDown
from emopms.engine.stages.constrain import Constrain
from emopms.engine.stages.dense import Dense
from emopms.engine.stages.evolve import Evolve
from emopms.engine.stages.export import Export
from emopms.engine.stages.finetune import Finetune
from emopms.engine.stages.join import Join
from emopms.engine.stages.measure import Measure
from emopms.engine.stages.pretrain import Pretrain
from emopms.engine.stages.rank import Rank
from emopms.engine.stages.refine import Refine
from emopms.engine.stages.selectors import Selectors
from emopms.engine.storage.keys import stage_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from emopms.engine.stages.base import Stage
    from emopms.spec import Spec, Target


@dataclass(frozen=True)
class Planned:
    """A stage of a run, and the key under which its result is stored."""

    stage: Stage
    key: str


def plan(spec: Spec, *, points: Sequence[str], fingerprint: str, device: str) -> list[Planned]:
    """Return all stages of a run, each after the stages whose results it reads.

    Args:
        spec: The spec.
        points: The split points that were found in the network.
        fingerprint: Hash of the data and of the weights file.
        device: The device of the stages. It is part of a key only if an objective is measured on the device.
    """
    return with_keys(_stages(spec, points, device), seed=spec.seed, fingerprint=fingerprint)


def with_keys(
    stages: Sequence[Stage], *, seed: int, fingerprint: str, earlier: Sequence[Planned] = ()
) -> list[Planned]:
    """Return the stages with their keys, under which their results are stored.

    Args:
        stages: The stages, each after the stages whose results it reads.
        seed: The seed of the spec.
        fingerprint: Hash of the data and of the weights file.
        earlier: Stages that have keys already. The other stages may read their results.
    """
    keys = {step.stage.name: step.key for step in earlier}
    planned = []
    for stage in stages:
        parts = {
            "stage": stage.name,
            "version": stage.version,
            "seed": seed,
            "data": fingerprint,
            "settings": stage.settings,
            "inputs": {name: keys[name] for name in stage.inputs},
        }
        keys[stage.name] = stage_key(parts)
        planned.append(Planned(stage, keys[stage.name]))
    return planned


def _stages(spec: Spec, points: Sequence[str], device: str) -> list[Stage]:
    settings, measured = _settings_of(spec), _measured(spec, device)
    searches = [f"evolve/{index + 1}" for index in range(len(points) + 1)]
    searches += ["evolve/boundaries"] * spec.genome.prune_boundaries
    refined = spec.refine > 0 and len(searches) > 1  # an undivided network was already searched as a whole
    found_by = "refine" if refined else "join"
    seconds = spec.seconds_of_a_search(len(points))
    limited = measured | ({} if seconds is None else {"seconds": seconds})
    models = [model_stages(spec, target, target.slug, found_by=found_by, device=device) for target in spec.targets]
    return [
        Pretrain(name="pretrain", settings=settings("backbone", "data", "pretrain")),
        Selectors(name="selectors", inputs=("pretrain",), settings=settings("selector", points=list(points))),
        Constrain(
            name="constrain", inputs=("pretrain", "selectors"), settings=settings("constraint", "sampling", "genome")
        ),
        *(
            Evolve(
                name=name,
                inputs=("selectors", "constrain"),
                settings=settings("objectives", "sampling", "genome", "algorithm", **limited),
                index=index,
            )
            for index, name in enumerate(searches)
        ),
        Rank(name="rank", inputs=("constrain", *searches), settings=settings("points")),
        Join(name="join", inputs=("constrain", "rank"), settings=settings("ranker", "schemes")),
        *(
            [
                Refine(
                    name="refine",
                    inputs=("constrain", "join"),
                    settings=settings("refine", "algorithm", **limited),
                )
            ]
            if refined
            else []
        ),
        Measure(
            name="measure",
            inputs=("constrain", found_by),
            settings=measured,
            found_by=found_by,
        ),
        *(stage for stages in models for stage in stages if isinstance(stage, Aim)),
        *(stage for stages in models for stage in stages if isinstance(stage, Finetune)),
        Dense(name="dense", inputs=("pretrain",), settings={}),
        *(stage for stages in models for stage in stages if isinstance(stage, BreakDown | Export)),
    ]


def model_stages(spec: Spec, goal: Target | NDArray[np.bool_], slug: str, *, found_by: str, device: str) -> list[Stage]:
    """Return the stages that make one model of a finished search.

    Args:
        spec: The spec.
        goal: The target of the model, or the genome [genes] that was picked.
        slug: Name of the model's folder.
        found_by: Name of the stage that found the schemes which ``measure`` measured.
        device: The device of the stages.
    """
    settings, measured = _settings_of(spec), _measured(spec, device)
    target = None if isinstance(goal, np.ndarray) else goal
    written = {"genome": np.packbits(goal).tobytes().hex()} if isinstance(goal, np.ndarray) else goal.model_dump()
    tuned, aimed = f"finetune/{slug}", "" if target is None else f"aim/{target.slug}"
    stages: list[Stage] = []
    if target is not None and target.cost_bounds and spec.aim:
        stages.append(
            Aim(
                name=aimed,
                inputs=("pretrain", "constrain", found_by, "measure"),
                settings=settings("aim", "genome", target=written, **measured),
                target=target,
                found_by=found_by,
            )
        )
    aims = [stage.name for stage in stages]
    return [
        *stages,
        Finetune(
            name=tuned,
            inputs=("pretrain", "constrain", "measure", *aims),
            settings=settings("finetune", target=written, **spec.surgery.settings),
            goal=goal,
            slug=slug,
            aimed_by=aimed if aims else None,
        ),
        BreakDown(name=f"breakdown/{slug}", inputs=("constrain", tuned), settings={}, slug=slug),
        Export(
            name=f"export/{slug}",
            inputs=("dense", "constrain", tuned),
            settings=settings("name", "export", target=written, **measured),
            target=target,
            slug=slug,
        ),
    ]


def _settings_of(spec: Spec) -> Callable[..., dict[str, Any]]:
    """Return a function that gives some settings of a spec with their defaults, and with the code that they name."""
    keyed = spec.keyed()

    def settings(*names: str, **more: Any) -> dict[str, Any]:
        code = code_fingerprint(spec, names)
        return {name: keyed[name] for name in names} | more | ({"code": code} if code else {})

    return settings


def _measured(spec: Spec, device: str) -> dict[str, Any]:
    """Return the device if an objective is measured on it, because its results then belong to that device."""
    return {"device": device} if any(objective.measured for objective in spec.objectives) else {}
