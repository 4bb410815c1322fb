"""What a spec says: typed, frozen, checked. Docstrings below fields are their descriptions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    field_validator,
    model_serializer,
    model_validator,
)

from emopms.api import (
    Algorithm,
    Backbone,
    BatchSize,
    Constraint,
    Cost,
    Count,
    Data,
    Exporter,
    Objective,
    Ranker,
    Rate,
    Sampling,
    Selector,
    Split,
)
from emopms.component import Settings, Slot, invalid
from emopms.errors import PluginError, Problem, SpecError
from emopms.plugin_file import components_in
from emopms.spec.document import Document, KeyPath
from emopms.spec.scalars import dump

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$"


class Training(Settings):
    """Stochastic gradient descent with Nesterov momentum 0.9 and a cosine schedule."""

    epochs: Annotated[int, Field(ge=0, le=100_000)] = 10
    """Passes over the training images."""
    lr: Rate = 0.05
    """Peak learning rate."""
    batch_size: BatchSize = 128
    """Images a step."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 5e-4
    """L2 penalty on the weights."""


class Finetune(Training):
    """Training of a pruned network, by default with the dense network as its teacher.

    Distillation (Hinton, Vinyals and Dean 2015, arXiv 1503.02531) minimises
    ``alpha · T² · KL(teacher‖student) + (1 − alpha) · CE``, where KL compares the class probabilities of both
    networks at temperature T, and CE is the cross-entropy with the labels.
    """

    lr: Rate = 0.02
    """Peak learning rate."""
    distill: bool = True
    """Learn from the dense network as well as from the labels."""
    temperature: Rate = 4.0
    """Temperature T of the class probabilities that are compared."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Weight of the distillation term; with 1, training looks at no label."""


class Target(Settings):
    """What a pruned network has to meet. Every bound given must hold."""

    macs: Annotated[float, Field(gt=0, le=1)] | None = None
    """Multiply-accumulates left, at most this fraction of the dense network's."""
    params: Annotated[float, Field(gt=0, le=1)] | None = None
    """Parameters left, at most this fraction of the dense network's."""
    accuracy_drop: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Validation accuracy lost before fine-tuning, against the pretrained network; 0.01 is one percentage point."""

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if not self.bounds:
            raise invalid("the target has no bound.", "Give macs, params or accuracy_drop.")
        return self

    @model_serializer
    def _serialize(self) -> dict[str, float]:
        return self.bounds

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that were given, by name."""
        every = {"macs": self.macs, "params": self.params, "accuracy_drop": self.accuracy_drop}
        return {name: bound for name, bound in every.items() if bound is not None}

    @property
    def slug(self) -> str:
        """A folder name that tells the target from all others, such as ``macs-0.5_params-0.6``."""
        return "_".join(f"{name}-{bound!r}" for name, bound in self.bounds.items())


def _usable_plugin_file(path: Path) -> Path:
    path = Path(os.path.realpath(path))  # Path.resolve raises where links go round in a circle
    try:
        components_in(path)
    except PluginError as error:
        raise invalid(error.message, error.remedy) from error
    return path


def _whole(value: object) -> object:
    if type(value) is not int:  # to Python, and so to pydantic, True and 1.0 equal 1
        raise invalid("expected the number 1.")
    return value


def _by_name(default: str | tuple[str, ...]) -> Any:
    """A default that is looked up in the registry when it is needed, like a name in a file."""
    return Field(default=default, validate_default=True)


class Genome(Settings):
    """What tells one candidate from another."""

    coding: Literal["channels", "widths"] = "channels"
    """`channels`: each channel is kept or dropped. `widths`: each layer has a width, and keeps its channels of largest
    weight magnitude; a far smaller space, for wide networks."""
    channel_multiple: Annotated[int, Field(ge=1, le=1024)] = 1
    """Layers lose channels in units that leave a multiple of this number, as fast kernels like them. A layer that has
    another width may keep it; so may one that repeats some of its channels more often than others."""
    prune_residual: bool = False
    """Prune residual streams inside sub-networks too: all layers that feed one stream lose the same channels."""
    prune_boundaries: bool = False
    """Prune the channels that cross the splits too, in one more search, which judges them on the whole network."""


class Spec(Settings):
    """One experiment: what is pruned, on which data, how, and which pruned networks come out."""

    version: Annotated[Literal[1], BeforeValidator(_whole)]
    """Version of the spec format."""
    name: Annotated[str, Field(pattern=_NAME, max_length=100)]
    """Name of the run and of its folder: letters, digits, `_`, `-`, and single dots between them."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Everything random derives from this number."""
    plugins: Annotated[
        tuple[Annotated[Path, Field(strict=False), AfterValidator(_usable_plugin_file)], ...], Field(strict=False)
    ] = ()
    """Python files with components of your own, relative to this file. They are run when the spec is read."""
    backbone: Annotated[Backbone, Slot("backbone")]
    """The network to prune."""
    data: Annotated[Data, Slot("data")]
    """The images to train and to judge on."""
    pretrain: Training = Training()
    """Training of the dense network; 0 epochs take its weights as they are."""
    split: Annotated[Split, Slot("split", default="at", bare_list="points")] = _by_name("at")
    """Where the network is cut: n split points make n + 1 sub-networks. A bare list is short for `at` them."""
    genome: Genome = Genome()
    """Which channels can be pruned, and how finely."""
    selector: Annotated[Selector, Slot("selector", default="linear_probe")] = _by_name("linear_probe")
    """How a sub-network is judged without the rest of the network."""
    constraint: Annotated[Constraint, Slot("constraint", default="feature")] = _by_name("feature")
    """How sub-networks are trained for what their neighbours will do once pruned."""
    objectives: Annotated[tuple[Annotated[Objective, Slot("objective")], ...], Field(strict=False)] = _by_name(
        ("capability", "macs")
    )
    """What the search minimises: at least one quality and at least one cost."""
    sampling: Annotated[Sampling, Slot("sampling", default="sensitivity")] = _by_name("sensitivity")
    """The population that each search starts from."""
    algorithm: Annotated[Algorithm, Slot("algorithm", default="nsga2")] = _by_name("nsga2")
    """The evolutionary multi-objective optimiser."""
    ranker: Annotated[Ranker, Slot("ranker", default="impairment")] = _by_name("impairment")
    """How the fronts of the sub-networks are joined into schemes for the whole network."""
    points: Count = 32
    """How many points of each sub-network's front are put back into the network and ranked, spread over the front."""
    refine: Annotated[int, Field(ge=0, le=100_000)] = 4
    """Generations of a search of the whole network that begins with the joint schemes, these counted as the first; 0
    leaves it out. Networks that are not divided have no need of it."""
    schemes: Count = 48
    """How many of the best schemes for the whole network are refined, and measured on validation images, over the whole
    front."""
    targets: Annotated[tuple[Target, ...], Field(strict=False, min_length=1)]
    """The pruned networks to produce, one a target, such as `[{macs: 0.5}, {accuracy_drop: 0.01}]`."""
    finetune: Finetune = Finetune()
    """Training of each pruned network."""
    export: Annotated[tuple[Annotated[Exporter, Slot("exporter")], ...], Field(strict=False)] = _by_name(
        ("safetensors", "pt2")
    )
    """The formats to write; `safetensors` is among them."""

    _document: Document | None = PrivateAttr(default=None)

    @field_validator("objectives", "export")
    @classmethod
    def _check_distinct(cls, components: tuple[Objective | Exporter, ...]) -> tuple[Objective | Exporter, ...]:
        names = [component.name for component in components]
        for name in names:
            if names.count(name) > 1:
                raise invalid(f"{name!r} is listed more than once.", "Keep one of them.")
        return components

    @field_validator("objectives")
    @classmethod
    def _check_objectives(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        costs = sum(isinstance(objective, Cost) for objective in objectives)
        if costs == 0:
            raise invalid("no objective is a cost.", "Add one, such as macs or params.")
        if costs == len(objectives):
            raise invalid("all objectives are costs.", "Add one that judges quality, such as capability.")
        return objectives

    @field_validator("targets")
    @classmethod
    def _check_targets(cls, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        if len(set(targets)) < len(targets):
            raise invalid("two targets are equal.", "Keep one of them.")
        return targets

    @field_validator("export")
    @classmethod
    def _check_export(cls, exporters: tuple[Exporter, ...]) -> tuple[Exporter, ...]:
        if all(exporter.name != "safetensors" for exporter in exporters):
            raise invalid("safetensors is not among the formats.", "Add it: emopms.load reads that format.")
        return exporters

    def __eq__(self, other: object) -> bool:
        # pydantic's own comparison would include the document: two specs are equal if they say the same.
        return isinstance(other, Spec) and self.__dict__ == other.__dict__

    @property
    def folder(self) -> Path | None:
        """The folder of the file the spec was loaded from."""
        return Path(self._document.file).absolute().parent if self._document else None

    def resolved(self) -> dict[str, Any]:
        """The whole spec as plain data, all defaults filled in."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The whole spec as text that `load_spec` reads back as an equal spec."""
        return dump(self.resolved())

    def problem(self, path: KeyPath, message: str, remedy: str = "") -> SpecError:
        """An error about what the spec says, found later than on loading.

        Args:
            path: Keys and indices that lead to the value, such as ``("split", "points", 1)``.
            message: What is wrong.
            remedy: What to do about it.

        Returns:
            The error to raise; with line and column if the spec came from a file.
        """
        if self._document is None:
            return SpecError([Problem(path, message, remedy)])
        found, rest = self._document.follow(path)
        return SpecError([self._document.problem(found + rest, message, remedy)])


class SlotField(NamedTuple):
    """A key of the spec that holds components."""

    slot: Slot
    many: bool
    """Whether it holds a list of them."""


def _slot_fields() -> Iterator[tuple[str, SlotField]]:
    for key, field in Spec.model_fields.items():
        marks = [*field.metadata, *(mark for item in get_args(field.annotation) for mark in get_args(item))]
        for slot in marks:
            if isinstance(slot, Slot):
                yield key, SlotField(slot, many=slot not in field.metadata)


SLOT_FIELDS: Final[Mapping[str, SlotField]] = dict(_slot_fields())
"""The keys of the spec that hold components."""
