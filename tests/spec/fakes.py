"""Tiny components for every slot, served as if installed. Imports no torch, so that tests can prove others do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from emopms import api, registry
from emopms.component import Component, Settings


class Head(Settings):
    """Settings within a component."""

    width: PositiveInt = 8
    """Channels of the head."""


class Net(api.Backbone):
    name: Literal["net"] = "net"
    depth: PositiveInt
    """Layers of the network."""
    weights: str | None = None
    head: Head = Head()
    heads: Annotated[tuple[Head, ...], Field(strict=False)] = ()

    @field_validator("depth")
    @classmethod
    def _check_depth(cls, depth: int) -> int:
        if depth % 2:
            raise ValueError("depth must be even.")
        return depth

    def build(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class Blobs(api.Data):
    name: Literal["blobs"] = "blobs"
    noise: float = 1e-5
    root: str = "blobs"

    def open(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class At(api.Split):
    name: Literal["at"] = "at"
    points: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Module paths."""

    def find(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class LinearProbe(api.Selector):
    name: Literal["linear_probe"] = "linear_probe"
    epochs: NonNegativeInt = 1

    def criterion(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class Feature(api.Constraint):
    name: Literal["feature"] = "feature"

    def loss(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class Capability(api.Objective):
    name: Literal["capability"] = "capability"

    def evaluate(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class Macs(api.Cost):
    name: Literal["macs"] = "macs"

    def evaluate(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class Sensitivity(api.Sampling):
    name: Literal["sensitivity"] = "sensitivity"

    def sample(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class Nsga2(api.Algorithm):
    name: Literal["nsga2"] = "nsga2"

    def start(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class Impairment(api.Ranker):
    name: Literal["impairment"] = "impairment"

    def join(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class Safetensors(api.Exporter):
    name: Literal["safetensors"] = "safetensors"

    def export(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class Pt2(api.Exporter):
    name: Literal["pt2"] = "pt2"

    def export(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


ALL = (Net, Blobs, At, LinearProbe, Feature, Capability, Macs, Sensitivity, Nsga2, Impairment, Safetensors, Pt2)


@dataclass(frozen=True)
class Point:
    """An entry point that needs no distribution."""

    component: type[Component]
    module_name: str = __name__
    distro: None = None

    @property
    def object_name(self) -> str:
        return self.component.__name__

    def load(self) -> type[Component]:
        return self.component


class BrokenPoint(Point):
    """An entry point whose module cannot be imported."""

    def load(self) -> type[Component]:
        raise ImportError("no module named {torch}")


def entry_points(slot: str) -> dict[str, list[Any]]:
    points: dict[str, list[Any]] = {
        component.model_fields["name"].default: [Point(component)] for component in ALL if component.slot == slot
    }
    return points | ({"broken": [BrokenPoint(LinearProbe)]} if slot == "selector" else {})


def install() -> None:
    """Serve the fakes for the rest of the process."""
    registry._installed.cache_clear()
    registry._entry_points = entry_points
