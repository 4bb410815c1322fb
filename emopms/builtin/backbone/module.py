"""The backbone ``module``: a network that a Python function of the user makes."""

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
    """Your own network, which an installed Python function returns. The function is called with `args` only.

    Wrappers such as DataParallel are removed, lazy layers get their sizes, and weight normalisation is folded into the
    weights of the network.
    """

    name: Literal["module"] = "module"
    factory: Annotated[str, AfterValidator(_reference), Field(examples=["my_package.nets:make"])]
    """The function or class that makes the network, as `module:function`. It is imported only when the network is
    built."""
    args: dict[str, JsonValue] = {}  # noqa: RUF012  (pydantic gives each component a copy)
    """Keyword arguments of the function `factory`. The network that it returns must fit the number of classes and the
    image size of the data."""

    names_code: ClassVar[bool] = True

    def __hash__(self) -> int:
        return hash((self.factory, json.dumps(self.args, sort_keys=True), self.weights, self.weights_key))

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Call the function `factory`, and prepare the network that it returns for pruning.

        Raises:
            PluginError: The factory cannot be imported, or is not a function.
            NetworkError: The factory fails, does not return a module, or returns a network that cannot be prepared (see
                `emopms.api.own_network.make_ready`).
        """
        import torch
        from torch import nn

        from emopms.api.own_network import make_ready

        with torch.random.fork_rng(devices=[]):  # random numbers drawn by the import do not count
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
        return copy.deepcopy(network)  # the network is changed later, and the factory may return the same network again

    def fingerprint(self) -> str:
        """Hash the code of the network.

        The code is the file of the module that the spec names, the file that defines the factory, and all files that
        they import from their own folders.

        Raises:
            PluginError: The factory cannot be imported, is not a function, or has no source file.
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
    except BaseException as error:  # the import of a module may raise any error, also SystemExit
        missing = isinstance(error, ModuleNotFoundError) and f"{path}.".startswith(f"{error.name}.")
        raise PluginError(
            f"The backbone's module {path!r} is not installed."
            if missing
            else f"The backbone's module {path!r} cannot be imported: {reason(error)}",
            remedy="Install the package that it is part of, or put its folder into the variable PYTHONPATH: "
            "`PYTHONPATH=. emopms run …` for a file in the current folder."
            if missing
            else "Repair it.",
        ) from error
