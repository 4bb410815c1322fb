"""The backbone ``timm``: any classifier of timm (https://github.com/huggingface/pytorch-image-models)."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue

from emopms.api import Backbone, invalid
from emopms.errors import NetworkError, PluginError

if TYPE_CHECKING:
    from types import ModuleType

    from torch import nn

_WEIGHTS = "Weights come from a local file: name it in the backbone's `weights`."
_DATA = "The data say so: leave it out."
_DEVICE = "The engine places the network: choose the device and precision of the run instead."

_REFUSED = {
    "pretrained": _WEIGHTS,
    "pretrained_cfg": _WEIGHTS,
    "pretrained_cfg_overlay": _WEIGHTS,
    "pretrained_model_args": _WEIGHTS,
    "pretrained_strict": _WEIGHTS,
    "checkpoint_path": _WEIGHTS,
    "cache_dir": _WEIGHTS,
    "num_classes": _DATA,
    "in_chans": _DATA,
    "img_size": _DATA,
    "device": _DEVICE,
    "dtype": _DEVICE,
    "model_name": "Write it as the backbone's `model`.",
    "features_only": "emopms prunes classifiers: leave it out.",
}
"""Arguments of ``timm.create_model`` that somebody else decides on, and who."""


def _plain_name(model: str) -> str:
    if any(mark in model for mark in ":/\\"):
        raise invalid(
            f"{model!r} names a model outside timm's own registry.",
            f"Write the bare name of an architecture, such as resnet18. {_WEIGHTS}",
        )
    architecture, dot, tag = model.partition(".")
    if dot:
        raise invalid(
            f"{model!r} has the tag {tag!r}, which names pretrained weights that are never downloaded.",
            f"Write {architecture}. {_WEIGHTS}",
        )
    return model


def _free_argument(name: str) -> str:
    if name in _REFUSED:
        raise invalid(f"{name!r} cannot be given.", _REFUSED[name])
    return name


class Timm(Backbone):
    """Any classifier of timm, by its name there, with random weights or those of a local file."""

    name: Literal["timm"] = "timm"
    model: Annotated[str, Field(examples=["resnet18", "resnet10t"]), AfterValidator(_plain_name)]
    """timm's name of the architecture, without a weights tag: `resnet18`, not `resnet18.a1_in1k`."""
    args: Annotated[
        dict[Annotated[str, AfterValidator(_free_argument)], JsonValue], Field(examples=[{"drop_rate": 0.1}])
    ] = {}  # noqa: RUF012  (pydantic gives each component a copy)
    """Further keyword arguments of `timm.create_model`, such as `drop_rate`. Classes, channels and image size are
    the data's."""

    def __hash__(self) -> int:
        return hash((self.model, self.weights, frozenset(self.args)))  # values may be lists, which have no hash

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """As `Backbone.build`; downloads nothing.

        Raises:
            PluginError: timm cannot be imported.
            NetworkError: timm has no such model, or cannot build it with these arguments.
        """
        timm = _timm()
        known = timm.list_models()  # less the deprecated names, which stand for others
        if self.model not in known:
            raise _unknown(self.model, known)
        sizes: dict[str, Any] = {"num_classes": classes, "in_chans": input_shape[0]}
        if getattr(timm.get_pretrained_cfg(self.model), "fixed_input_size", False):  # an embedding for each position
            sizes["img_size"] = input_shape[1:]
        try:
            network: nn.Module = timm.create_model(self.model, pretrained=False, **sizes, **self.args)
        except Exception as error:  # whatever an architecture makes of arguments that it was not made for
            given = ", ".join(f"{name}={value!r}" for name, value in (sizes | self.args).items())
            raise NetworkError(
                f"timm cannot build {self.model} with {given}: {type(error).__name__}: {error}",
                remedy="Give `args` that this model takes, and images of a size that it takes.",
            ) from error
        return network


def _timm() -> ModuleType:
    try:
        import timm
    except Exception as error:  # a torchvision that does not fit torch raises no ImportError
        raise PluginError(
            f"backbone 'timm' of emopms-timm cannot import timm: {type(error).__name__}: {error}",
            remedy="Install timm, and the torchvision that was built for the installed torch.",
        ) from error
    return timm


def _unknown(model: str, known: list[str]) -> NetworkError:
    close = " or ".join(repr(name) for name in get_close_matches(model, known, n=3))
    return NetworkError(
        f"timm has no model {model!r}.",
        remedy=(f"Did you mean {close}? " if close else "") + f"timm.list_models() lists all {len(known)}.",
    )
