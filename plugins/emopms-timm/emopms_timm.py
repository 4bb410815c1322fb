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
_DATA = "The data determine it: remove it."
_DEVICE = "The engine moves the network: choose the device of the run instead."

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
    "features_only": "emopms prunes classifiers: remove it.",
}
"""Arguments of ``timm.create_model`` that a spec cannot set, with the reason or the alternative."""


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
        raise invalid(f"{name!r} is not accepted.", _REFUSED[name])
    return name


class Timm(Backbone):
    """Any classifier of timm, with random weights or weights from a local file."""

    name: Literal["timm"] = "timm"
    model: Annotated[str, Field(examples=["resnet18", "resnet10t"]), AfterValidator(_plain_name)]
    """Name of the architecture in timm, without a weights tag: `resnet18`, not `resnet18.a1_in1k`."""
    args: Annotated[
        dict[Annotated[str, AfterValidator(_free_argument)], JsonValue], Field(examples=[{"drop_rate": 0.1}])
    ] = {}  # noqa: RUF012  (pydantic gives each component a copy)
    """Further keyword arguments of `timm.create_model`, such as `drop_rate`. The data determine the number of classes,
    the channels and the image size."""

    def __hash__(self) -> int:
        return hash((self.model, self.weights, frozenset(self.args)))  # values may be lists, which have no hash

    def build(self, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Return the network with random weights. Nothing is downloaded.

        Raises:
            PluginError: timm cannot be imported.
            NetworkError: timm does not have the model, or cannot build it with these arguments.
        """
        timm = _timm()
        known = timm.list_models()  # without deprecated names, which are aliases
        if self.model not in known:
            raise _unknown(self.model, known)
        sizes: dict[str, Any] = {"num_classes": classes, "in_chans": input_shape[0]}
        # A model with the mark `fixed_input_size` has one embedding per position, so that it must know the image size.
        if getattr(timm.get_pretrained_cfg(self.model), "fixed_input_size", False):
            sizes["img_size"] = input_shape[1:]
        try:
            network: nn.Module = timm.create_model(self.model, pretrained=False, **sizes, **self.args)
        except Exception as error:  # an architecture may raise anything for arguments that it does not support
            given = ", ".join(f"{name}={value!r}" for name, value in (sizes | self.args).items())
            raise NetworkError(
                f"timm cannot build {self.model} with {given}: {type(error).__name__}: {error}",
                remedy="Give `args` that this model accepts, and images of a size that it accepts.",
            ) from error
        return network


def _timm() -> ModuleType:
    try:
        import timm
    except Exception as error:  # a torchvision that does not match torch raises other errors
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
