from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, PositiveInt, ValidationError

from emopms import registry
from emopms.api import Ranker, Split
from emopms.builtin.split.at import At
from emopms.component import Component, Settings, Slot
from emopms.errors import PluginError


class Inner(Settings):
    depth: PositiveInt = 1


class Fancy(Ranker):
    name: Literal["fancy"] = "fancy"
    inner: Inner = Inner()
    inners: Annotated[tuple[Inner, ...], Field(strict=False)] = ()

    def join(self, fronts: Any) -> Any:
        raise NotImplementedError


class Holder(BaseModel):
    split: Annotated[Split, Slot("split")] = At()
    ranker: Annotated[Ranker, Slot("ranker")] = Fancy()


class Pair(BaseModel):
    rankers: tuple[Annotated[Ranker, Slot("ranker")], ...]


@pytest.fixture(autouse=True)
def components(monkeypatch: pytest.MonkeyPatch) -> None:
    classes: dict[tuple[str, str], type[Component]] = {("split", "at"): At, ("ranker", "fancy"): Fancy}

    def find(slot: str, name: str) -> type[Component]:
        try:
            return classes[slot, name]
        except KeyError:
            raise PluginError(f"There is no {slot} called {name!r}.", remedy="Try another.") from None

    monkeypatch.setattr(registry, "find", find)


def errors(model: type[BaseModel], values: dict[str, Any]) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return {error["loc"]: error["msg"] for error in caught.value.errors()}


@pytest.mark.parametrize("value", ["at", {"name": "at"}, At(), {"name": "at", "points": []}])
def test_a_slot_takes_a_name_a_mapping_and_a_component(value: object) -> None:
    assert Holder.model_validate({"split": value}).split == At()


def test_parameters_stand_beside_the_name() -> None:
    held = Holder.model_validate({"ranker": {"name": "fancy", "inners": [{"depth": 2}, {"depth": 3}]}})
    assert held.ranker == Fancy(inners=(Inner(depth=2), Inner(depth=3)))


def test_a_component_is_taken_as_it_is() -> None:
    ranker = Fancy(inner=Inner(depth=4))
    assert Holder.model_validate({"ranker": ranker}).ranker is ranker


@pytest.mark.parametrize("value", [None, 3, [], {}, {"points": ["a"]}, {"name": 3}, Fancy()])
def test_anything_else_is_refused_with_what_to_write(value: object) -> None:
    (message,) = (found := errors(Holder, {"split": value})).values()
    assert list(found) == [("split",)]
    assert "name of a component of the slot split" in message
    assert "`name:`" in message


def test_an_unknown_name_is_an_error_at_the_name() -> None:
    found = errors(Holder, {"split": {"name": "att"}, "ranker": "fancier"})
    assert found == {
        ("split", "name"): "There is no split called 'att'. Try another.",
        ("ranker", "name"): "There is no ranker called 'fancier'. Try another.",
    }


def test_problems_within_a_component_keep_their_paths() -> None:
    values = {
        "rankers": [
            "fancy",
            {"name": "fancy", "inner": {"depth": 0}, "inners": [{}, {"depth": "2"}], "colour": "red"},
        ]
    }
    assert set(errors(Pair, values)) == {
        ("rankers", 1, "inner", "depth"),
        ("rankers", 1, "inners", 1, "depth"),
        ("rankers", 1, "colour"),
    }


def test_a_slot_writes_its_component_as_json_that_it_reads_back() -> None:
    held = Holder(split=At(points=("a", "b")), ranker=Fancy(inners=(Inner(depth=2),)))
    dumped = held.model_dump(mode="json")
    assert dumped["split"] == {"name": "at", "points": ["a", "b"]}
    assert Holder.model_validate(dumped) == held
    assert Holder.model_validate_json(held.model_dump_json()) == held


def test_components_are_frozen_hashable_values() -> None:
    left, right, other = (Fancy(inner=Inner(depth=depth)) for depth in (2, 2, 3))
    assert left == right
    assert len({left, right, other}) == 2
    with pytest.raises(ValidationError, match="frozen"):
        left.inner = Inner()  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        left.inner.depth = 3  # type: ignore[misc]


@pytest.mark.parametrize("values", [{"depth": "2"}, {"depth": 2.0}, {"depth": True}, {"dept": 2}, {"depth": 0}])
def test_settings_are_strict(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Inner.model_validate(values)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_settings_are_finite(value: float) -> None:
    class Rate(Settings):
        rate: float

    with pytest.raises(ValidationError, match="finite"):
        Rate(rate=value)


def test_docstrings_below_fields_describe_them() -> None:
    assert "forward pass" in (At.model_fields["points"].description or "")
