"""Recognises errors whose cause is the machine or another process, and not the work that raised them."""

from __future__ import annotations

import errno
import os
import re
from concurrent.futures import BrokenExecutor
from subprocess import SubprocessError

from emopms.errors import text_of, with_causes

_CLASSES = (OSError, SystemExit, EOFError, BrokenExecutor, SubprocessError)
"""Classes of errors of the machine, such as a full disk."""
_CLASS_NAMES = {
    "asyncio.exceptions.CancelledError",
    "concurrent.futures._base.CancelledError",
    "http.client.HTTPException",
    "multiprocessing.context.ProcessError",
    "sqlite3.OperationalError",
    "urllib3.exceptions.HTTPError",
}
"""More such classes, by name, because their modules need not be imported."""
_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO, errno.EROFS, errno.ESTALE)
_TEXTS = re.compile(
    "|".join(
        [
            *(re.escape(os.strerror(code)) for code in _CODES),
            r"\(os error \d+\)",  # libraries in Rust, such as safetensors
            "closed file",
            "can't start new thread",
            "inline_container|PytorchStreamWriter|iostream error",  # torch.save, if the disk is full
            r"DataLoader worker \(pid|DataLoader timed out",
            "items of ancdata",  # a worker process that has no file descriptors left
            r"unable to (?:(?:open|allocate) shared memory|mmap \d|(?:resize|write to) file)",
            "cannot open shared object file",
            "CUDA error: (?!out of memory|invalid )",  # after such an error, nothing else on the GPU succeeds
        ]
    )
)
"""What messages of errors of the machine say. Libraries turn errors of the operating system into errors of any class.

Shortage of memory is not among them: another candidate may need less."""


def is_passing(error: BaseException) -> bool:
    """Return whether the cause of an error is the machine or the process. If it is, the same call may succeed later.

    Such causes are errors of the operating system, such as a full disk; a closed stream; `SystemExit`; a worker process
    that died; a thread that could not start; and a GPU that failed. The function checks the error and all errors that
    caused it.
    """
    return any(map(_is_of_the_machine, with_causes(error)))


def _is_of_the_machine(error: BaseException) -> bool:
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    return isinstance(error, _CLASSES) or not names.isdisjoint(_CLASS_NAMES) or bool(_TEXTS.search(text_of(error)))
