from __future__ import annotations

import subprocess
import sys

LINES = """
from loguru import logger
from emopms.engine.support.library_log import quiet_default_sink
SETUP
quiet_default_sink()
quiet_default_sink()
logger.debug("of the program")
for name in ("emopms.network.x", "emopms.cli.terminal", "emopmsx"):
    exec(compile("logger.info('info'); logger.debug('debug'); logger.warning('warning')", name, "exec"),
         {"logger": logger, "__name__": name})
"""


def said(setup: str) -> list[str]:
    code = LINES.replace("SETUP", setup)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [line.partition(" | ")[2].replace(" ", "") for line in done.stderr.splitlines()]


def test_only_warnings_of_emopms_are_shown_and_everything_of_others() -> None:
    shown = [line.partition("|")[0] + ":" + line.partition("|")[2].partition(":")[0] for line in said("")]
    assert shown == [
        *("DEBUG:__main__", "WARNING:emopms.network.x", "INFO:emopms.cli.terminal", "WARNING:emopms.cli.terminal"),
        *("INFO:emopmsx", "DEBUG:emopmsx", "WARNING:emopmsx"),
    ]


def test_a_program_that_has_set_up_its_log_is_left_alone() -> None:
    assert said("logger.remove()") == []
    assert len(said("import sys; logger.remove(); logger.add(sys.stderr, level='DEBUG')")) == 10
