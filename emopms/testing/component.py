"""Conformance suite for all components. Each must be documented, impossible to change, and cheap to construct."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, ClassVar, Literal, get_args, get_origin

from pydantic import PydanticUserError, ValidationError

import emopms.api

if TYPE_CHECKING:
    from emopms.component import Component


class ComponentConformance:
    """Base class of the conformance suites."""

    slot: ClassVar[str]
    component: ClassVar[Component]
    """The component under test."""

    def test_it_is_a_component_of_its_slot(self) -> None:
        wanted: type[Component] = getattr(emopms.api, self.slot.capitalize())
        assert isinstance(self.component, wanted), (
            f"{self.component!r} is not an instance of emopms.api.{wanted.__name__}: derive its class from it, and set "
            f"`component` to an instance such as {self.slot.capitalize()}(…)."
        )

    def test_its_name_is_a_literal_with_that_default(self) -> None:
        field = type(self.component).model_fields["name"]
        names = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        assert names == (field.default,), (
            f"`name` is annotated {field.annotation} with the default {field.default!r}: "
            'write `name: Literal["my_name"] = "my_name"`.'
        )

    def test_it_is_a_frozen_value(self) -> None:
        kind = type(self.component)
        assert kind.model_config.get("frozen"), f"{kind.__name__} can be changed: leave `frozen=True` in model_config."
        try:
            hash(self.component)
        except TypeError as error:
            raise AssertionError(f"{self.component!r} has no hash ({error}): use tuples for lists and sets.") from error

    def test_unknown_parameters_are_refused(self) -> None:
        kind = type(self.component)
        try:
            kind.model_validate({**self.component.model_dump(), "no_such_parameter": 1})
        except ValidationError as error:
            if any(problem["type"] == "extra_forbidden" for problem in error.errors()):
                return
        raise AssertionError(f'{kind.__name__} accepts any parameter: leave `extra="forbid"` in model_config.')

    def test_it_survives_json(self) -> None:
        written = json.dumps(self.component.model_dump(mode="json"), allow_nan=False)
        try:
            read = type(self.component).model_validate_json(written)
        except ValidationError as error:
            raise AssertionError(f"It cannot read the JSON that it wrote, {written}: {error}") from error
        assert read == self.component, (
            f"Written as JSON and read again, it is {read!r}; before, it was {self.component!r}."
        )

    def test_it_survives_pickling(self) -> None:
        try:
            read = pickle.loads(pickle.dumps(self.component))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise AssertionError(
                f"It cannot be pickled, so it cannot be sent to worker processes ({error}): "
                "define its class at the top level of a module, and keep no state in it."
            ) from error
        assert read == self.component, f"Pickled and read again, it is {read!r}; before, it was {self.component!r}."

    def test_it_is_documented(self) -> None:
        kind = type(self.component)
        assert vars(kind).get("__doc__"), f"{kind.__name__} has no docstring: describe in one sentence what it does."
        bare = [name for name, field in kind.model_fields.items() if name != "name" and not field.description]
        assert not bare, f"Fields without a docstring: {', '.join(bare)}. Write a string literal below each field."

    def test_required_parameters_give_examples(self) -> None:
        kind = type(self.component)
        required = {name: field.examples or [] for name, field in kind.model_fields.items() if field.is_required()}
        bare = [name for name, examples in required.items() if not examples]
        assert not bare, f"No example of: {', '.join(bare)}. Write `Annotated[…, Field(examples=[…])]`; docs show it."
        first = {name: examples[0] for name, examples in required.items()}
        for name, examples in required.items():
            for example in examples:
                try:
                    kind.model_validate({**first, name: example})
                except ValidationError as error:
                    raise AssertionError(f"The example {example!r} of `{name}` is not valid: {error}") from error

    def test_its_parameters_have_a_json_schema(self) -> None:
        try:
            type(self.component).model_json_schema()
        except PydanticUserError as error:
            raise AssertionError(
                f"`emopms schema` fails for it ({error}): use types that JSON has, and validators."
            ) from error

    def test_parameters_have_one_name(self) -> None:
        for name, field in type(self.component).model_fields.items():
            aliases = {field.alias, field.validation_alias, field.serialization_alias} - {None, name}
            assert not aliases, (
                f"Field `{name}` has the alias {aliases}: remove it, because specs use the names of fields."
            )

    def test_making_it_imports_nothing_heavy(self) -> None:
        """Construct the component in a new process, as a worker or ``emopms validate`` does."""
        message = pickle.dumps((sys.path, pickle.dumps(self.component)))
        done = subprocess.run([sys.executable, "-c", _PROGRAM], input=message, capture_output=True, check=False)
        module = type(self.component).__module__
        assert not done.returncode, f"A new process cannot construct it from {module}:\n{done.stderr.decode()}"
        heavy = set(done.stdout.decode().split()) & _HEAVY
        assert not heavy, (
            f"Constructing it imports {', '.join(sorted(heavy))}, which delays every spec that uses it. In {module}, "
            "import inside methods, annotate under TYPE_CHECKING, and keep the component out of test modules."
        )


_HEAVY = frozenset(
    (
        *("torch", "torchvision", "timm", "onnx", "onnxruntime", "onnxscript"),
        *("pymoo", "moocore", "scipy", "sklearn", "pandas", "matplotlib"),
    )
)
_PROGRAM = """
import pickle, sys
sys.path[:], pickled = pickle.load(sys.stdin.buffer)
component = pickle.loads(pickled)
type(component).model_validate(component.model_dump(mode="json"))  # pickle alone runs no validator
print(*{module.partition(".")[0] for module in sys.modules})
"""
