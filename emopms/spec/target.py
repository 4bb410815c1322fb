"""The targets of a spec: what each pruned network must satisfy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, TypeAdapter, WrapValidator, model_serializer, model_validator

from emopms.component import Settings, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

COUNTED = ("macs", "params")
"""The costs that every network has. Other costs are objectives of the spec."""


class AtMost(Settings):
    """A bound on a cost in the unit of the cost, such as milliseconds."""

    at_most: Annotated[float, Field(gt=0)]
    """Largest allowed cost, in the unit of the objective."""


def _read_bound(value: object) -> float | AtMost:
    if isinstance(value, AtMost):
        return value
    if isinstance(value, dict):
        return AtMost.model_validate(value)
    share: float = _SHARE.validate_python(value, strict=True)
    if share > 1:
        raise invalid(
            f"expected at most 1, got the number {value}.",
            "A number is a share of the dense network's cost. Write `{at_most: NUMBER}` for a cost in its own unit.",
        )
    return share


_SHARE: TypeAdapter[float] = TypeAdapter(Annotated[float, Field(gt=0, allow_inf_nan=False)])
Bound = Annotated[Annotated[float, Field(gt=0, le=1)] | AtMost, WrapValidator(lambda value, _: _read_bound(value))]
"""A bound on a cost: a share of the dense network's cost, or a cost in its own unit."""


class Target(Settings, extra="allow"):
    """The requirements of one pruned network. All given bounds must hold.

    Besides `macs` and `params`, any cost among the spec's objectives can be bounded by its name, such as `latency`. A
    bound is a share of the dense network's cost, such as `latency: 0.5`, or a cost in the unit of the objective, such
    as `latency: {at_most: 5.0}`.
    """

    __pydantic_extra__: dict[str, Bound]

    macs: Bound | None = None
    """Largest allowed MACs (multiply-accumulates), as a fraction of the dense network's, or `{at_most: NUMBER}`."""
    params: Bound | None = None
    """Largest allowed number of parameters, as a fraction of the number of parameters of the dense network, or
    `{at_most: NUMBER}`."""
    accuracy_drop: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Largest allowed decrease of the validation accuracy before fine-tuning, compared with the pretrained network.
    0.01 is one percentage point."""

    @model_validator(mode="after")
    def _require_bound(self) -> Self:
        if not self.cost_bounds and self.accuracy_drop is None:
            raise invalid("the target has no bound.", "Give macs, params or accuracy_drop.")
        return self

    @model_serializer
    def _serialize(self) -> dict[str, Any]:
        drop = {} if self.accuracy_drop is None else {"accuracy_drop": self.accuracy_drop}
        return {name: _plain(bound) for name, bound in self.cost_bounds.items()} | drop

    @property
    def cost_bounds(self) -> dict[str, float | AtMost]:
        """The given bounds on costs, by name of the cost."""
        counted = {"macs": self.macs, "params": self.params}
        return {name: bound for name, bound in (counted | self.__pydantic_extra__).items() if bound is not None}

    def limits(self, dense: Mapping[str, float]) -> dict[str, float]:
        """Return the largest allowed costs, by name, in the units of the costs.

        Args:
            dense: The costs of the dense network, by name. Every bounded cost must be among them.
        """
        return {
            name: bound.at_most if isinstance(bound, AtMost) else bound * dense[name]
            for name, bound in self.cost_bounds.items()
        }

    def counted_shares(self, dense: Mapping[str, float]) -> dict[str, float]:
        """Return the bounds on MACs and parameters, by name, as shares of the costs of the dense network.

        Args:
            dense: The MACs and the parameters of the dense network.
        """
        bounds = {name: self.cost_bounds[name] for name in COUNTED if name in self.cost_bounds}
        return {
            name: bound.at_most / dense[name] if isinstance(bound, AtMost) else bound for name, bound in bounds.items()
        }

    def within(self, costs: Mapping[str, NDArray[np.float64]], dense: int) -> NDArray[np.bool_]:
        """Return whether each network [n] has costs within all bounds.

        Args:
            costs: Costs [n] of the networks, by name of the cost.
            dense: Index of the dense network among the networks.
        """
        return within_limits(costs, self.limits({name: float(values[dense]) for name, values in costs.items()}))

    @property
    def slug(self) -> str:
        """A unique folder name of the target, such as ``macs-0.5_params-0.6`` or ``latency-at-most-5``."""
        bounds = {name: _slug(bound) for name, bound in self.cost_bounds.items()}
        if self.accuracy_drop is not None:
            bounds["accuracy_drop"] = repr(self.accuracy_drop)
        return "_".join(f"{name}-{bound}" for name, bound in bounds.items())


def within_limits(costs: Mapping[str, NDArray[np.float64]], limits: Mapping[str, float]) -> NDArray[np.bool_]:
    """Return whether each network [n] has costs of at most the limits.

    Args:
        costs: Costs [n] of the networks, by name of the cost.
        limits: The largest allowed costs, by name.
    """
    import numpy as np

    allowed = np.ones(len(next(iter(costs.values()))), dtype=np.bool_)
    for name, limit in limits.items():
        allowed &= costs[name] <= limit
    return allowed


def _plain(bound: float | AtMost) -> float | dict[str, float]:
    return {"at_most": bound.at_most} if isinstance(bound, AtMost) else bound


def _slug(bound: float | AtMost) -> str:
    if not isinstance(bound, AtMost):
        return repr(bound)
    return f"at-most-{int(bound.at_most) if bound.at_most.is_integer() else bound.at_most!r}"
