"""Evolutionary multi-objective joint pruning of PyTorch networks with multiple sub-networks (EMO-PMS).

A public name is imported when it is first used, so that ``import emopms`` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emopms.engine.comparison.compare import compare as compare
    from emopms.engine.finished.pick import pick as pick
    from emopms.engine.finished.result import Result as Result
    from emopms.engine.models.load import load as load
    from emopms.engine.run import run as run
    from emopms.errors import EmopmsError as EmopmsError
    from emopms.in_python import prune as prune
    from emopms.spec import Spec as Spec
    from emopms.spec import load_spec as load_spec

__version__ = "0.1.0"

_HOMES = {
    "EmopmsError": "emopms.errors",
    "Result": "emopms.engine.finished.result",
    "Spec": "emopms.spec",
    "compare": "emopms.engine.comparison.compare",
    "load": "emopms.engine.models.load",
    "load_spec": "emopms.spec",
    "pick": "emopms.engine.finished.pick",
    "prune": "emopms.in_python",
    "run": "emopms.engine.run",
}

__all__ = ["EmopmsError", "Result", "Spec", "__version__", "compare", "load", "load_spec", "pick", "prune", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'emopms' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
