"""Runs the command for each of many argument lists, each in a process of its own with 1 GiB of memory and 2 s of CPU.

Reads the lists as JSON from standard input, and writes an exit code and the output for each. One interpreter is
forked for all of them: starting a new one each time would take most of the time.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from typing import NoReturn

from emopms.cli.main import main
from emopms.spec.catalog import catalog


def limited(arguments: list[str]) -> tuple[int, str]:
    """Exit code, negative for a signal, and all output of one command."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if not child:
            _become(arguments, output.fileno())
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode(errors="replace")


def _become(arguments: list[str], output: int) -> NoReturn:
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 1
    try:
        code = main(arguments)
    except SystemExit as error:  # from argparse
        code = int(error.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    catalog()  # import now what every fork needs
    json.dump([limited(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
