"""Lists the stages that a spec asks for, and computes their keys. It writes nothing, and needs no results of stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emopms.engine.pipeline.code_fingerprint import code_fingerprint
from emopms.engine.stages.constrain import Constrain
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
    from collections.abc import Sequence

    from emopms.engine.stages.base import Stage
    from emopms.spec import Spec


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
    resolved = spec.resolved()

    def settings(*names: str, **more: Any) -> dict[str, Any]:
        code = code_fingerprint(spec, names)
        return {name: resolved[name] for name in names} | more | ({"code": code} if code else {})

    measured = {"device": device} if any(objective.measured for objective in spec.objectives) else {}
    searches = [f"evolve/{index + 1}" for index in range(len(points) + 1)]
    searches += ["evolve/boundaries"] * spec.genome.prune_boundaries
    refined = spec.refine > 0 and len(searches) > 1  # an undivided network was already searched as a whole
    found_by = "refine" if refined else "join"
    finetunes = [f"finetune/{target.slug}" for target in spec.targets]
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
                settings=settings("objectives", "sampling", "genome", "algorithm", **measured),
                index=index,
            )
            for index, name in enumerate(searches)
        ),
        Rank(name="rank", inputs=("constrain", *searches), settings=settings("points")),
        Join(name="join", inputs=("constrain", "rank"), settings=settings("ranker", "schemes")),
        *(
            [Refine(name="refine", inputs=("constrain", "join"), settings=settings("refine", "algorithm", **measured))]
            if refined
            else []
        ),
        Measure(
            name="measure",
            inputs=("constrain", found_by),
            settings=measured,
            found_by=found_by,
        ),
        *(
            Finetune(
                name=name,
                inputs=("pretrain", "constrain", "measure"),
                settings=settings("finetune", target=target.model_dump(mode="json"), **spec.surgery.settings),
                target=target,
            )
            for name, target in zip(finetunes, spec.targets, strict=True)
        ),
        Export(
            name="export",
            inputs=("pretrain", *finetunes),
            settings=settings("name", "export", "targets"),
        ),
    ]
