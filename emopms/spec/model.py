"""The pydantic models of the spec. The docstring below a field becomes its description."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from emopms.api import (
    Algorithm,
    Backbone,
    Baseline,
    Constraint,
    Cost,
    Count,
    Data,
    Exporter,
    Objective,
    Ranker,
    Sampling,
    Selector,
    Split,
    Tracker,
)
from emopms.api.added_fields import WITH_ADDED
from emopms.component import Settings, Slot, invalid
from emopms.errors import PluginError, Problem, SpecError, did_you_mean
from emopms.plugin_file import components_in
from emopms.spec.document import Document, KeyPath
from emopms.spec.duration import Duration
from emopms.spec.scalars import dump
from emopms.spec.settings import FinetuneSettings, Genome, Surgery, Training
from emopms.spec.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

    Given = str | Mapping[str, Any]
    """A component as it is written in a spec: its name, or a mapping with its name and parameters."""

_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$"


def _require_plugin_file(path: Path) -> Path:
    path = Path(os.path.realpath(path))  # Path.resolve raises an error for circular links
    try:
        components_in(path)
    except PluginError as error:
        raise invalid(error.message, error.remedy) from error
    return path


def _require_int(value: object) -> object:
    if type(value) is not int:  # in Python, and so in pydantic, True and 1.0 equal 1
        raise invalid("expected the number 1.")
    return value


def _component_default(default: str | tuple[str, ...]) -> Any:
    """Return a field whose default is a component name. The registry resolves it when a spec is validated."""
    return Field(default=default, validate_default=True)


class Spec(Settings):
    """One experiment: the network, the data, the pruning method and the pruned networks to produce."""

    version: Annotated[Literal[1], BeforeValidator(_require_int)]
    """Version of the spec format."""
    name: Annotated[str, Field(pattern=_NAME, max_length=100)]
    """Name of the run and of its folder: letters, digits, `_`, `-`, and single dots between them."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of all random choices."""
    plugins: Annotated[
        tuple[Annotated[Path, Field(strict=False), AfterValidator(_require_plugin_file)], ...], Field(strict=False)
    ] = ()
    """Python files with your own components, relative to this file. They are executed when the spec is read."""
    backbone: Annotated[Backbone, Slot("backbone")]
    """The network to prune."""
    data: Annotated[Data, Slot("data")]
    """The images for training and evaluation."""
    pretrain: Training = Training()
    """Training of the dense network before the search. With 0 epochs, the network is not trained. If `backbone.weights`
    is given, 0 epochs are the default."""
    split: Annotated[Split, Slot("split", default="at", bare_list="points")] = _component_default("at")
    """The points at which the network is divided: n split points give n + 1 sub-networks. Instead of the split `at`,
    you can write a bare list of module paths."""
    genome: Genome = Genome()
    """The channels that can be pruned, and in which units."""
    selector: Annotated[Selector, Slot("selector", default="linear_probe")] = _component_default("linear_probe")
    """The criterion: a loss that evaluates a pruned sub-network without the rest of the network."""
    constraint: Annotated[Constraint, Slot("constraint", default="feature")] = _component_default("feature")
    """Training that lets each sub-network work well when the sub-networks before it are pruned."""
    objectives: Annotated[tuple[Annotated[Objective, Slot("objective")], ...], Field(strict=False)] = (
        _component_default(("capability", "macs"))
    )
    """The objectives that the search minimises: at least one quality and at least one cost."""
    sampling: Annotated[Sampling, Slot("sampling", default="sensitivity")] = _component_default("sensitivity")
    """The initial population of each search."""
    algorithm: Annotated[Algorithm, Slot("algorithm", default="nsga2")] = _component_default("nsga2")
    """The evolutionary multi-objective optimiser."""
    ranker: Annotated[Ranker, Slot("ranker", default="impairment")] = _component_default("impairment")
    """The method that joins the fronts of the sub-networks into schemes for the whole network."""
    points: Count = 32
    """Number of points that are taken from the front of each sub-network and joined into schemes. A point is one way to
    prune the sub-network. The points are spread over the front. Each is measured with the rest of the network
    unpruned."""
    refine: Annotated[int, Field(ge=0, le=100_000)] = 4
    """Number of generations of a second search, which searches the whole network. Its first generation are the schemes
    that were joined from the fronts of the sub-networks. With 0, or if the network is not divided, there is no second
    search."""
    schemes: Count = 48
    """Number of the best schemes for the whole network that are refined and measured on validation images. These
    schemes are spread over the front."""
    aim: Annotated[int, Field(ge=0, le=100_000)] = 4
    """Number of generations of a third search for each target that bounds a cost. It looks for schemes that are just
    within the bounds. With 0, the best measured scheme within the bounds is taken."""
    budget: Duration | None = None
    """Longest time of all searches together, such as `30min`, `90s` or `2h`: the sub-networks and the refinement get
    equal parts of it. A search ends with the generation in which its time is over, or with the last generation of the
    algorithm if that comes first. Then the same spec can give another front on another machine."""
    targets: Annotated[tuple[Target, ...], Field(strict=False, min_length=1)]
    """The targets, such as `[{macs: 0.5}, {accuracy_drop: 0.01}]`. One pruned network is produced for each target."""
    surgery: Surgery = Surgery()
    """The removal of channels, which makes the pruned networks."""
    finetune: FinetuneSettings = FinetuneSettings()
    """Training of each pruned network."""
    export: Annotated[tuple[Annotated[Exporter, Slot("exporter")], ...], Field(strict=False)] = _component_default(
        ("safetensors", "pt2")
    )
    """The file formats to write. `safetensors` must be one of them."""
    trackers: Annotated[tuple[Annotated[Tracker, Slot("tracker")], ...], Field(strict=False)] = ()
    """Where the figures of the run go besides the run directory, such as `[tensorboard]`. `emopms compare` ignores
    them."""
    baselines: Annotated[tuple[Annotated[Baseline, Slot("baseline")], ...], Field(strict=False)] = ()
    """Other pruning methods, with which `emopms compare` compares this spec. `emopms run` ignores them."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(strict=False)] = ()
    """Seeds for `emopms compare`, which repeats all its runs with each of them. By default, it uses only `seed`.
    `emopms run` ignores them."""

    _document: Document | None = PrivateAttr(default=None)

    if TYPE_CHECKING:  # in Python, too, a component may be given by its name or by a mapping

        def __init__(
            self,
            *,
            version: Literal[1],
            name: str,
            backbone: Backbone | Given,
            data: Data | Given,
            targets: Sequence[Target | Mapping[str, Any]],
            seed: int = ...,
            plugins: Sequence[str | PathLike[str]] = ...,
            pretrain: Training | Mapping[str, Any] = ...,
            split: Split | Given | Sequence[str] = ...,
            genome: Genome | Mapping[str, Any] = ...,
            selector: Selector | Given = ...,
            constraint: Constraint | Given = ...,
            objectives: Sequence[Objective | Given] = ...,
            sampling: Sampling | Given = ...,
            algorithm: Algorithm | Given = ...,
            ranker: Ranker | Given = ...,
            points: int = ...,
            refine: int = ...,
            schemes: int = ...,
            aim: int = ...,
            budget: str | float | None = ...,
            surgery: Surgery | Mapping[str, Any] = ...,
            finetune: FinetuneSettings | Mapping[str, Any] = ...,
            export: Sequence[Exporter | Given] = ...,
            trackers: Sequence[Tracker | Given] = ...,
        ) -> None: ...

    else:

        def __init__(self, /, **values):
            from emopms.spec.values import Values, require_plain

            try:
                require_plain(values)
                super().__init__(**values)
            except ValidationError as error:
                from emopms.spec.load import problems

                raise SpecError(problems(error, Values.of(values))) from None

        __init__.__pydantic_base_init__ = True  # `load_spec` translates the errors of a file

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
            raise invalid("all objectives are costs.", "Add an objective of quality, such as capability.")
        return objectives

    @field_validator("targets")
    @classmethod
    def _check_targets(cls, targets: tuple[Target, ...], info: ValidationInfo) -> tuple[Target, ...]:
        if len(set(targets)) < len(targets):
            raise invalid("two targets are equal.", "Keep one of them.")
        costs = {objective.name for objective in info.data.get("objectives", ()) if isinstance(objective, Cost)}
        known = {*Target.model_fields, *costs}
        unknown = [(index, name) for index, target in enumerate(targets) for name in target.cost_bounds.keys() - known]
        if unknown and "objectives" in info.data:
            problems = [
                InitErrorDetails(
                    type=invalid(f"{name!r} is no cost among the objectives of the spec.", did_you_mean(name, known)),
                    loc=(index, name),
                    input=name,
                )
                for index, name in unknown
            ]
            raise ValidationError.from_exception_data("targets", problems)
        return targets

    @field_validator("baselines", "seeds", "trackers")
    @classmethod
    def _check_repetition(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise invalid("two of them are equal.", "Keep one of them.")
        return values

    @model_validator(mode="after")
    def _take_given_weights_as_they_are(self) -> Self:
        if self.backbone.has_weights and "epochs" not in self.pretrain.model_fields_set:
            object.__setattr__(self, "pretrain", self.pretrain.model_copy(update={"epochs": 0}))
        return self

    @model_validator(mode="after")
    def _reconstruct_what_is_not_trained(self) -> Self:
        if self.finetune.epochs == 0 and "reconstruct" not in self.surgery.model_fields_set:
            object.__setattr__(self, "surgery", Surgery(reconstruct="least_squares"))
        return self

    @field_validator("export")
    @classmethod
    def _check_export(cls, exporters: tuple[Exporter, ...]) -> tuple[Exporter, ...]:
        if all(exporter.name != "safetensors" for exporter in exporters):
            raise invalid("safetensors is not among the formats.", "Add it: emopms.load reads that format.")
        return exporters

    def __eq__(self, other: object) -> bool:
        # pydantic's comparison would include the document, but specs with equal values are equal.
        return isinstance(other, Spec) and self.__dict__ == other.__dict__

    @property
    def folder(self) -> Path | None:
        """The folder of the file from which the spec was loaded, or None if it was not loaded from a file."""
        return Path(self._document.file).absolute().parent if self._document else None

    def seconds_of_a_search(self, split_points: int) -> float | None:
        """Return the seconds that one search may take; None without a budget.

        Args:
            split_points: Number of split points of the network.
        """
        if self.budget is None:
            return None
        searches = split_points + 1 + self.genome.prune_boundaries
        return self.budget / (searches + (self.refine > 0 and searches > 1))

    def resolved(self) -> dict[str, Any]:
        """Return the whole spec as plain data, including all defaults."""
        return self.model_dump(mode="json", context=WITH_ADDED)

    def keyed(self) -> dict[str, Any]:
        """Return the whole spec as plain data for the keys of stored results (see `AddedFields`)."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """Return the whole spec as YAML that `load_spec` reads back as an equal spec."""
        return dump(self.resolved())

    def problem(self, path: KeyPath, message: str, remedy: str = "") -> SpecError:
        """Return an error for a problem that is found after loading.

        Args:
            path: Keys and indices that lead to the value, such as ``("split", "points", 1)``.
            message: What is wrong.
            remedy: What the user can do about it.

        Returns:
            The error to raise, with line and column if the spec was loaded from a file.
        """
        if self._document is None:
            return SpecError([Problem(path, message, remedy)])
        found, rest = self._document.follow(path)
        return SpecError([self._document.problem(found + rest, message, remedy)])


class SlotField(NamedTuple):
    """A key of the spec that holds components."""

    slot: Slot
    many: bool
    """Whether the key holds a list of components."""


def _slot_fields() -> Iterator[tuple[str, SlotField]]:
    for key, field in Spec.model_fields.items():
        marks = [*field.metadata, *(mark for item in get_args(field.annotation) for mark in get_args(item))]
        for slot in marks:
            if isinstance(slot, Slot):
                yield key, SlotField(slot, many=slot not in field.metadata)


SLOT_FIELDS: Final[Mapping[str, SlotField]] = dict(_slot_fields())
"""The keys of the spec that hold components."""
