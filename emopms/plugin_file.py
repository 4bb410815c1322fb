"""Components in a Python file that a spec names: ``plugins: [my_objectives.py]``.

Such a file is run as soon as the spec is read. Nothing else on disk is: no folder is searched.
"""

from __future__ import annotations

import hashlib
import stat
import sys
import traceback
from contextlib import redirect_stdout
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from emopms.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_BYTES: Final = 2**20
_LONGEST_REASON: Final = 500


def components_in(path: Path) -> Mapping[tuple[str, str], type[Any]]:
    """The component classes that a file defines, by slot and name.

    A file is run once for each content it has had, so that an edited one counts in a notebook, too. One that
    failed is run again, since what it lacked may be there by then.

    Raises:
        PluginError: It cannot be read or run, defines no component, or one name twice.
    """
    return _run(path, _read(path))


def hash_of(module: ModuleType) -> str | None:
    """SHA-256 of the file that made a module here, as it was when it was run; None for other modules."""
    digest: str | None = vars(module).get(_DIGEST)
    return digest


def reason(error: BaseException) -> str:
    """What a plugin's code raised, on one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # an exception whose own __str__ fails
        text = ""
    text = text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a device may never end, a pipe may never begin
            raise PluginError(f"{path} is not a file.", remedy=_NAME_A_FILE)
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path that holds a null character
        why = getattr(error, "strerror", None) or error
        raise PluginError(f"{path} cannot be read: {why}.", remedy=_NAME_A_FILE) from error
    if len(content) > MAX_BYTES:
        raise PluginError(f"{path} is larger than 1 MiB.", remedy=_NAME_A_FILE)
    return content


_NAME_A_FILE = "Name a Python file; in a spec, its path starts from that spec."
_DIGEST = "__emopms_digest__"


@cache
def _run(path: Path, content: bytes) -> Mapping[tuple[str, str], type[Any]]:
    # The path alone would not do as a module's name: two versions of a file must not share one module.
    stem = path.stem.replace(".", "_")  # a dot would make it a module of some package
    module = ModuleType(f"{stem}_{hashlib.sha256(bytes(path) + content).hexdigest()[:12]}")
    module.__file__ = str(path)
    setattr(module, _DIGEST, hashlib.sha256(content).hexdigest())
    sys.modules[module.__name__] = module  # where pydantic and pickle look for what a class refers to
    try:
        with redirect_stdout(sys.stderr):  # what a file prints must not end up in a schema
            exec(compile(content, str(path), "exec"), module.__dict__)
    except BaseException as error:  # whatever a user's file raises: SystemExit, pytest's Skipped …
        del sys.modules[module.__name__]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise PluginError(
            f"{path}{_line(error, path)} cannot be imported: {reason(error)}", remedy="Repair the file."
        ) from error
    found: dict[tuple[str, str], type[Any]] = {}
    for value in vars(module).values():
        if not (isinstance(value, type) and value.__module__ == module.__name__):
            continue
        slot = getattr(value, "slot", None)
        name = getattr(getattr(value, "model_fields", {}).get("name"), "default", None)
        if not (isinstance(slot, str) and isinstance(name, str)):
            continue  # no component, or a base class of components, which leaves its name open
        if found.setdefault((slot, name), value) is not value:
            raise PluginError(f"{path} defines the {slot} {name!r} twice.", remedy="Rename one of them.")
    if not found:
        raise PluginError(
            f"{path} defines no component.",
            remedy='Derive a class from one in emopms.api, with `name: Literal["…"] = "…"`.',
        )
    return found


def _line(error: BaseException, path: Path) -> str:
    """Where in the file it happened."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), None)
    return f":{line}" if line else ""
