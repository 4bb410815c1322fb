"""The code of components from elsewhere: an edited plugin must not meet what its former self has stored."""

from __future__ import annotations

import hashlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emopms.component import Component

if TYPE_CHECKING:
    from collections.abc import Iterable

    from emopms.spec import Spec


def code_of(spec: Spec, keys: Iterable[str]) -> dict[str, str]:
    """Hashes of the files that define the components under some keys of a spec, by slot and name.

    Built-in components are left out: a stage's version stands for them. What those files import is not looked at.
    """
    found = {}
    for key in keys:
        value = getattr(spec, key)
        for component in value if isinstance(value, tuple) else (value,):
            if isinstance(component, Component) and not type(component).__module__.startswith("emopms."):
                found[f"{component.slot}/{component.name}"] = _hash(type(component))
    return found


def _hash(component: type[Component]) -> str:
    file = getattr(sys.modules.get(component.__module__), "__file__", None)
    # Without a file, as in a notebook, the source of the class itself has to do.
    content = Path(file).read_bytes() if file else inspect.getsource(component).encode()
    return hashlib.sha256(content).hexdigest()
