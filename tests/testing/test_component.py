from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import ConfigDict, Field

from emopms.api import Constraint
from emopms.builtin.split.at import At
from emopms.testing import ComponentConformance
from tests.testing.broken import Broken
from tests.testing.eager import Eager
from tests.testing.heavy import Heavy

if TYPE_CHECKING:
    from pathlib import Path


class Suite(ComponentConformance):
    slot = "constraint"


class AnyName(Constraint):
    """Named as you like."""

    name: str = "any"


class OtherName(Constraint):
    """Named in two ways."""

    name: Literal["one", "two"] = "one"


class Open(Constraint):
    """Takes anything."""

    model_config = ConfigDict(frozen=False, extra="ignore")
    name: Literal["open"] = "open"


class Undocumented(Constraint):
    """Says little."""

    name: Literal["undocumented"] = "undocumented"
    bare: int = 1


class Parameters(Constraint):
    name: Literal["parameters"] = "parameters"
    table: dict[str, int] = Field(default={}, description="A table.")
    pair: tuple[int, int] = Field(default=(1, 2), description="A pair.")
    renamed: int = Field(default=0, alias="other", description="Known by another name.")


class Called(Constraint):
    """Calls something."""

    name: Literal["called"] = "called"
    what: Callable[[], int] = int
    """Called."""


class Required(Constraint):
    """Needs something."""

    name: Literal["required"] = "required"
    size: int
    """How large."""


class WrongExample(Constraint):
    """Shows something that does not work."""

    name: Literal["wrong_example"] = "wrong_example"
    size: Annotated[int, Field(ge=2, examples=[2, 1])]
    """How large."""


class Forgetful(Constraint):
    """Reads something else than it writes."""

    name: Literal["forgetful"] = "forgetful"
    size: Annotated[int, Field(exclude=True)] = 0
    """How large."""

    def __reduce__(self) -> Any:
        return Forgetful, ()


def local() -> Constraint:
    class Local(Constraint):
        """Found nowhere."""

        name: Literal["local"] = "local"

    return Local()


BROKEN = [
    Broken("it_is_a_component_of_its_slot", At(), "not an instance of emopms.api.Constraint"),
    Broken("it_is_a_component_of_its_slot", Parameters, "set `component` to an instance"),  # type: ignore[arg-type]
    Broken("its_name_is_a_literal_with_that_default", AnyName(), "annotated <class 'str'> with the default 'any'"),
    Broken("its_name_is_a_literal_with_that_default", OtherName(), r"Literal\['one', 'two'\]"),
    Broken("it_is_a_frozen_value", Open(), "Open can be changed"),
    Broken("it_is_a_frozen_value", Parameters(), "has no hash .*: use tuples"),
    Broken("unknown_parameters_are_refused", Open(), "accepts any parameter"),
    Broken("it_survives_json", Parameters(pair=(3, 4)), "It cannot read the JSON"),
    Broken("it_survives_json", Forgetful(size=3), "read again, it is .*size=0.*; before, it was .*size=3"),
    Broken("it_survives_pickling", local(), "cannot be pickled"),
    Broken("it_survives_pickling", Forgetful(size=3), "read again, it is .*size=0.*; before, it was .*size=3"),
    Broken("it_is_documented", Parameters(), "Parameters has no docstring"),
    Broken("it_is_documented", Undocumented(), "Fields without a docstring: bare"),
    Broken("required_parameters_give_examples", Required(size=1), "No example of: size"),
    Broken("required_parameters_give_examples", WrongExample(size=2), "example 1 of `size` is not valid"),
    Broken("its_parameters_have_a_json_schema", Called(), "`emopms schema` fails for it .*Callable"),
    Broken("parameters_have_one_name", Parameters(), "`renamed` has the alias {'other'}"),
    Broken("making_it_imports_nothing_heavy", Heavy(), r"imports torch.* In tests\.testing\.heavy"),
    Broken("making_it_imports_nothing_heavy", Eager(), r"imports .*scipy.* In tests\.testing\.eager"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_wrong_is_said(broken: Broken, tmp_path: Path) -> None:
    broken.must_fail(Suite, tmp_path)
