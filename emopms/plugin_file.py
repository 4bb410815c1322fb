"""Components in a Python file that a spec lists: ``plugins: [my_objectives.py]``.

The file is executed when the spec is read. No other file is executed, and no folder is searched.
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

from emopms.errors import PluginError, text_of
from emopms.process_state import unchanged_process
from emopms.source_files import hash_of_file_and_imports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_BYTES: Final = 2**20
_LONGEST_REASON: Final = 500


def components_in(path: Path) -> Mapping[tuple[str, str], type[Any]]:
    """Return the component classes that a file defines, by slot and name.

    A file is executed again only if its content has changed, so that a notebook sees later edits. A file that raised an
    error is executed at every call, because a missing package may have been installed since.

    Raises:
        PluginError: The file cannot be read or executed, defines no component, or defines one name twice.
    """
    return _run(path, _read(path))


def hash_of(module: ModuleType) -> str | None:
    """Return the hash of a plugin file that was executed, and of the files that it imports from its own folder.

    The result is None for a module that is not a plugin file.
    """
    digest: str | None = vars(module).get(_DIGEST)
    return digest


def reason(error: BaseException) -> str:
    """Return the type and message of an exception on one line, shortened."""
    text = " ".join(text_of(error).split())
    text = text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _read(path: Path) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # reading from a device may never end, and opening a pipe may block
            raise PluginError(f"{path} is not a file.", remedy=_NAME_A_FILE)
        if found.st_size == 0:  # reading some files of size 0 never ends, such as /proc/kmsg
            return b""
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
    # The module name includes a hash of the content, because two versions of a file must not share one module.
    stem = path.stem.replace(".", "_")  # a dot in a module name would mean a package
    module = ModuleType(f"{stem}_{hashlib.sha256(bytes(path) + content).hexdigest()[:12]}")
    module.__file__ = str(path)
    setattr(module, _DIGEST, hash_of_file_and_imports(path, content))
    sys.modules[module.__name__] = module  # pydantic and pickle look up the names of a class here
    try:
        # What the file prints must not mix with what a command prints, such as a JSON Schema.
        with unchanged_process(str(path)), redirect_stdout(sys.stderr):
            exec(compile(content, str(path), "exec"), module.__dict__)
    except BaseException as error:  # a file may raise anything, such as SystemExit or pytest's Skipped
        del sys.modules[module.__name__]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise PluginError(
            f"{path}{line_in(path, error)} cannot be imported: {reason(error)}", remedy="Repair the file."
        ) from error
    found: dict[tuple[str, str], type[Any]] = {}
    for value in vars(module).values():
        if not (isinstance(value, type) and value.__module__ == module.__name__):
            continue
        slot = getattr(value, "slot", None)
        name = getattr(getattr(value, "model_fields", {}).get("name"), "default", None)
        if not (isinstance(slot, str) and isinstance(name, str)):
            continue  # the class is not a component, or it is a base class of components and has no name
        if found.setdefault((slot, name), value) is not value:
            raise PluginError(f"{path} defines the {slot} {name!r} twice.", remedy="Rename one of them.")
    if not found:
        raise PluginError(
            f"{path} defines no component.",
            remedy='Derive a class from one in emopms.api, with `name: Literal["…"] = "…"`.',
        )
    return found


def line_in(path: Path, error: BaseException) -> str:
    """Return ``:LINE`` for the deepest line of a file that led to an error, or an empty text if there is none."""
    if isinstance(error, SyntaxError) and error.filename == str(path) and error.lineno:
        return f":{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), None)
    return f":{line}" if line else ""
