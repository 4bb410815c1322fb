"""What is said about components: all there is, and only what is so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field, PositiveInt

from emopms import api, registry
from emopms.errors import PluginError
from emopms.registry import SLOTS, UnknownComponentError
from emopms.spec import load_spec
from emopms.spec.catalog import catalog, description, entry, example, parameters, summary

from . import fakes

if TYPE_CHECKING:
    from emopms.spec.catalog import Entry

    from .conftest import Write


class Base(api.Selector):
    inherited: PositiveInt = 3
    """From the base class."""


class Rich(Base):
    """Many kinds of parameters.

        They are indented here.

    And there are more words.
    """

    name: Literal["rich"] = "rich"
    optional: str | None = None
    pair: tuple[int, Annotated[int, Field(ge=1)]] = (1, 2)
    choice: Literal["a", "no"] = "no"
    bounded: Annotated[float, Field(ge=0, lt=1)] = 0.5
    many: Annotated[tuple[PositiveInt, ...], Field(strict=False)] = ()
    made: Annotated[tuple[int, ...], Field(strict=False, default_factory=lambda: (1, 2))]
    head: fakes.Head = fakes.Head()
    required: Annotated[int, Field(gt=2, examples=[3])]
    """Nobody
    can guess it."""

    def criterion(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


class Odd(Base):
    """Takes what no JSON Schema describes."""

    name: Literal["odd"] = "odd"
    hook: Callable[[], object] = dict

    def criterion(self, *args: Any, **settings: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def entries(installed: None) -> list[Entry]:
    return catalog()


def test_all_that_is_installed_is_there(entries: list[Entry]) -> None:
    assert [(entry.slot, entry.name) for entry in entries] == [(s, n) for s in SLOTS for n in registry.names(s)]
    assert {"objective/macs", "backbone/resnet_cifar"} <= {entry.path for entry in entries}
    assert all(entry.origins for entry in entries)


def test_every_installed_component_is_described(entries: list[Entry]) -> None:
    for found in entries:
        assert found.component is not None, found.error
        assert summary(found.component)
        assert "\n" not in summary(found.component)
        for parameter in parameters(found.component):
            assert parameter.description, f"{found.path}: {parameter.name}"
            assert "anything" not in parameter.type, f"{found.path}: {parameter.name}"


def test_every_example_works_in_a_spec(entries: list[Entry], write: Write) -> None:
    keys = {"name": "x", "backbone": "small_resnet", "data": "digits", "targets": "[{macs: 0.5}]"}
    for found in entries:
        assert found.component is not None
        shown = example(found.component)
        lines = [f"{key}: {value}" for key, value in keys.items() if not shown.startswith(f"{key}:")]
        spec = load_spec(write("\n".join(["version: 1", *lines, shown])))
        assert f"'{found.name}'" in str(spec.resolved())


def test_parameters_in_words() -> None:
    found = {parameter.name: (parameter.type, parameter.default) for parameter in parameters(Rich)}
    assert found == {
        "required": ("whole number, more than 2", ""),
        "optional": ("text or nothing", "null"),
        "choice": ("one of a, 'no'", "'no'"),
        "bounded": ("number, at least 0, less than 1", "0.5"),
        "many": ("list of: whole number, more than 0", "[]"),
        "made": ("list of whole number", "[1, 2]"),
        "pair": ("list of 2: whole number; whole number, at least 1", "[1, 2]"),
        "head": ("mapping", "{width: 8}"),
        "inherited": ("whole number, more than 0", "3"),
    }
    assert next(iter(found)) == "required"
    assert list(found)[-1] == "inherited"
    assert parameters(Rich)[0].description == "Nobody can guess it."


def test_docstrings_without_their_indentation() -> None:
    assert summary(Rich) == "Many kinds of parameters."
    assert description(Rich).splitlines()[2] == "    They are indented here."


def test_the_example_has_every_parameter_that_has_a_value(write: Write) -> None:
    shown = example(Rich)
    assert shown.startswith("selector:")
    assert "required: 3" in shown
    assert "made: [1, 2]" in shown
    assert "optional" not in shown


def test_without_an_example_of_what_is_required_there_is_none() -> None:
    assert example(fakes.Net) == ""


def test_an_example_that_is_not_valid() -> None:
    class Wrong(Rich):
        """Wrong."""

        required: Annotated[int, Field(gt=2, examples=[2])]

    with pytest.raises(PluginError, match=r"examples in .*Wrong are not valid"):
        example(Wrong)


def test_what_cannot_be_used_is_listed_with_the_reason() -> None:
    found = entry("selector", "broken")
    assert found.component is None
    assert found.error is not None
    assert "no module named {torch}" in found.error.message
    assert "selector/broken" in [other.path for other in catalog() if other.error]


def test_what_cannot_be_described_is_listed_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_entry_points", lambda slot: {"odd": [fakes.Point(Odd)]})
    registry._installed.cache_clear()
    found = entry("selector", "odd")
    registry._installed.cache_clear()
    assert found.error is not None
    assert "selector 'odd' of" in found.error.message
    assert "cannot be described" in found.error.message


def test_nothing_of_that_name() -> None:
    with pytest.raises(UnknownComponentError, match="no selector called 'linear'"):
        entry("selector", "linear")


def test_components_of_files(write: Write) -> None:
    path = write("from tests.spec.test_catalog import Base\nclass A(Base):\n    name: str = 'a'\n", name="a.py")
    found = entry("selector", "a", [path])
    assert (found.path, found.origins[0].target, found.origins[0].distribution) == ("selector/a", str(path), "")
    assert "selector/a" in [other.path for other in catalog([path])]
    assert "selector/a" not in [other.path for other in catalog()]
