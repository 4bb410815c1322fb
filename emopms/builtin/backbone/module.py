"""The backbone ``module``: a network of the user's own, made by a function that the spec names."""

from __future__ import annotations

import copy
import json
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, JsonValue

from emopms.api import Backbone
from emopms.component import invalid
from emopms.errors import NetworkError, PluginError, did_you_mean
from emopms.plugin_file import reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from torch import nn


def _reference(factory: str) -> str:
    module, colon, function = factory.partition(":")
    if not colon or not all(name.isidentifier() for name in (*module.split("."), *function.split("."))):
        raise invalid(
            f"{factory!r} names no function.", "Write the module, a colon and the function in it: my_package.nets:make."
        )
    return factory


class Module(Backbone):
    """A network of your own: what an installed function returns. It is called with `args` and nothing else.

    Wrappers such as DataParallel are taken off, lazy layers get their sizes, and weight normalisation is folded into
    the weights.
    """

    name: Literal["module"] = "module"
    factory: Annotated[str, AfterValidator(_reference), Field(examples=["my_package.nets:make"])]
    """The function (or class) that makes the network, as `module:function`. It is imported when the network is
    built, not before."""
    args: dict[str, JsonValue] = {}  # noqa: RUF012  (pydantic gives each component a copy)
    """Its keyword arguments. Number of classes and image size must be those of the data."""

    names_code: ClassVar[bool] = True

    def __hash__(self) -> int:
        return hash((self.factory, json.dumps(self.args, sort_keys=True), self.weights, self.weights_key))

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """As `Backbone.build`, but what the data are is known to the factory alone.

        Raises:
            PluginError: The factory cannot be imported, or is no function.
            NetworkError: It fails, returns no module, or one that cannot be made ready (see `make_ready`).
        """
        import torch
        from torch import nn

        from emopms.api.own_network import make_ready

        with torch.random.fork_rng(devices=[]):  # a module that draws as it is imported, once, leaves the seed alone
            factory = self._factory()
        call = f"{self.factory}({', '.join(f'{name}={value!r}' for name, value in self.args.items())})"
        try:
            network = factory(**copy.deepcopy(self.args))
        except Exception as error:
            raise NetworkError(
                f"The backbone's factory {call} failed: {reason(error)}", remedy="Repair it, or change its `args`."
            ) from error
        if not isinstance(network, nn.Module):
            raise NetworkError(
                f"The backbone's factory {call} gave a {type(network).__name__}, no network.",
                remedy="Name a function that returns a torch.nn.Module.",
            )
        network = make_ready(network, input_shape=input_shape)
        return copy.deepcopy(network)  # it is cut into pieces, and the factory may hand out one network to all

    def fingerprint(self) -> str:
        """Hash the files that the factory is named and defined in, and all that these import from beside them.

        Raises:
            PluginError: See `build`; or there is no file.
        """
        from emopms.source_files import hash_of_sources

        path, _, _ = self.factory.partition(":")
        defined = getattr(self._factory(), "__module__", path)
        try:
            return hash_of_sources([_imported(module) for module in dict.fromkeys((path, defined))])
        except (OSError, TypeError) as error:
            raise PluginError(
                f"The source of the backbone's factory {self.factory} cannot be read: {reason(error)}",
                remedy="Put it into a file: results are stored under what made them.",
            ) from error

    def _factory(self) -> Callable[..., Any]:
        path, _, function = self.factory.partition(":")
        found: Any = _imported(path)
        for name in function.split("."):
            if not hasattr(found, name):
                raise PluginError(
                    f"The backbone's factory {self.factory} does not exist: {path} has no {name!r}.",
                    remedy=did_you_mean(name, [known for known in dir(found) if not known.startswith("_")]),
                )
            found = getattr(found, name)
        if not callable(found):
            raise PluginError(
                f"The backbone's factory {self.factory} cannot be called: it is a {type(found).__name__}.",
                remedy="Name a function that returns a torch.nn.Module.",
            )
        return found  # type: ignore[no-any-return]


def _imported(path: str) -> ModuleType:
    try:
        return import_module(path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a module raises while it is imported: SystemExit, …
        missing = isinstance(error, ModuleNotFoundError) and f"{path}.".startswith(f"{error.name}.")
        raise PluginError(
            f"The backbone's module {path!r} is not installed."
            if missing
            else f"The backbone's module {path!r} cannot be imported: {reason(error)}",
            remedy="Install the package that it is part of, or put its folder into the variable PYTHONPATH."
            if missing
            else "Repair it.",
        ) from error
