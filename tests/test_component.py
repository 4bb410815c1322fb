from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, PositiveInt, ValidationError

from emopms import registry
from emopms.api import Ranker, Split
from emopms.builtin.split.at import At
from emopms.component import Component, Settings, Slot
from emopms.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable


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

    def find(slot: str, name: str, files: Any = ()) -> type[Component]:
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


class Plugged(BaseModel):
    plugins: tuple[Path, ...] = ()
    ranker: Annotated[Ranker, Slot("ranker", default="impairment")]


PLUGIN = """
from typing import Literal
from pydantic import field_validator
from emopms.api import Ranker

class Mine(Ranker):
    name: Literal["mine"] = "mine"
    depth: int = 1

    @field_validator("depth")
    @classmethod
    def _check(cls, depth):
        if depth == 2:
            raise ValueError("two is too many.")
        if depth > 2:
            raise {error}
        return depth

    def join(self, fronts):
        raise NotImplementedError
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    monkeypatch.undo()  # the real registry

    def write(error: str) -> Path:
        path = tmp_path / "mine.py"
        path.write_text(PLUGIN.replace("{error}", error), encoding="utf-8")
        return path

    return write


def test_files_of_the_same_model_bring_components(plugin: Callable[[str], Path]) -> None:
    path = plugin("ValueError")
    held = Plugged.model_validate({"plugins": [path], "ranker": {"name": "mine", "depth": 0}})
    assert held.ranker.model_dump() == {"name": "mine", "depth": 0}
    assert list(errors(Plugged, {"ranker": "mine"})) == [("ranker", "name")]
    assert Plugged.model_validate({"ranker": {}}).ranker.name == "impairment"


def test_what_a_validator_refuses_keeps_its_path(plugin: Callable[[str], Path]) -> None:
    found = errors(Plugged, {"plugins": [plugin("ValueError")], "ranker": {"name": "mine", "depth": 2}})
    assert found == {("ranker", "depth"): "Value error, two is too many."}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("KeyError('x')", "KeyError: 'x'"),
        ("RuntimeError('{x}')", "RuntimeError: {x}"),
        ("TypeError('a\\nb')", "TypeError: a b"),
        ("RecursionError", "RecursionError"),
    ],
)
def test_a_validator_that_fails_is_a_defect_of_its_component(
    plugin: Callable[[str], Path], error: str, said: str
) -> None:
    path = plugin(error)
    found = errors(Plugged, {"plugins": [path], "ranker": {"name": "mine", "depth": 3}})
    assert list(found) == [("ranker",)]
    message = f"ranker 'mine' of {path} failed to validate its parameters: {said}. This is a defect of that component."
    assert found["ranker",] == message


def test_what_is_short_for_a_mapping() -> None:
    slot = Slot("split", default="at", bare_list="points")
    assert slot.widen("x") == {"name": "x"}
    assert slot.widen(["a"]) == {"name": "at", "points": ["a"]}
    assert slot.widen({"points": []}) == {"name": "at", "points": []}
    assert slot.widen({"name": "x"}) == {"name": "x"}
    assert slot.widen(3) == 3
    assert Slot("split").widen({"points": []}) == {"points": []}
    assert Slot("split").widen(["a"]) == ["a"]
