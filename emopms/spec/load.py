"""Loads a `Spec` from a file. If the spec is not valid, a single error holds all problems with their positions."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from emopms.errors import Problem, SpecError
from emopms.spec import compose
from emopms.spec.explain import explain
from emopms.spec.model import Spec
from emopms.spec.values import require_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emopms.spec.document import Document

_MOST_PROBLEMS: Final = 100


def load_spec(path: str | PathLike[str], overrides: str | Sequence[str] = ()) -> Spec:
    """Load a spec. Python files that it lists under ``plugins`` are executed.

    Args:
        path: The YAML file.
        overrides: One or several values that override the file, such as ``algorithm.pop_size=20`` or
            ``targets[0].macs=0.4``.

    Raises:
        SpecError: The file cannot be read, or the spec is not valid. The error holds all problems, in file order.
        TypeError: The overrides are not texts.
    """
    document = compose.read(Path(path), _texts(overrides))
    try:
        spec = Spec.model_validate(document.data)
    except ValidationError as error:
        raise SpecError(problems(error, document)) from None
    if document.problems:
        raise SpecError(document.problems)
    spec._document = document
    return spec


def _texts(overrides: str | Sequence[str]) -> Sequence[str]:
    if isinstance(overrides, str):
        return [overrides]
    if not isinstance(overrides, list | tuple) or not all(isinstance(override, str) for override in overrides):
        raise TypeError(f"expected overrides as texts, such as ['seed=1', 'targets[0].macs=0.4']; got {overrides!r}")
    return overrides


def as_spec(given: Spec | Mapping[str, Any] | str | PathLike[str]) -> Spec:
    """Return the spec for a spec, for a mapping with the keys of a spec, or for the path of a YAML file.

    Raises:
        SpecError: The file cannot be read, or the spec is not valid.
        TypeError: ``given`` has another type.
    """
    if isinstance(given, Spec):
        return given
    if isinstance(given, Mapping):
        return Spec(**require_plain(given))
    if isinstance(given, str | PathLike):
        return load_spec(Path(given))
    raise TypeError(
        f"expected an emopms.Spec, a mapping with the keys of a spec, or the path of a YAML file; got {given!r}"
    )


def problems(error: ValidationError, document: Document) -> list[Problem]:
    """Translate an error of pydantic into problems of a document, in file order."""
    found = error.errors(include_url=False)
    places = {details["loc"][:length] for details in found for length in range(len(details["loc"]))}
    # If items of a list have errors, pydantic also reports that the list is too short: skip this second error.
    found = [details for details in found if details["type"] != "too_short" or details["loc"] not in places]
    files: list[Path] = []
    if ("plugins",) in places or any(details["loc"] == ("plugins",) for details in found):
        # A name may be unknown only because its plugin file could not be executed.
        found = [details for details in found if details["type"] != "unknown_component"]
    else:
        files = [Path(file) for file in document.data.get("plugins", ())]
    unread = {problem.path for problem in document.problems}
    explained = [explain(details, document, files) for details in found[:_MOST_PROBLEMS]]
    explained = [*document.problems, *(problem for problem in explained if problem.path not in unread)]
    explained.sort(key=lambda problem: (problem.file != document.file, problem.file, problem.line, problem.column))
    if (more := len(found) - _MOST_PROBLEMS) > 0:
        explained.append(Problem((), f"there are {more} more problems.", "Is this a spec?", file=document.file))
    return explained
