"""How a command ends when it is told to, by Ctrl-C or by a scheduler."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from emopms.engine.support.interruption import interrupted

if TYPE_CHECKING:
    from types import FrameType, TracebackType

GRACE: Final = 5.0
"""Seconds to end in order. Libraries may swallow an exception that comes at the wrong moment; and what is on disk is
whole at any moment, so that the end may as well come from outside."""


class Ending:
    """While it is entered, SIGINT and SIGTERM raise `KeyboardInterrupt` in the main thread, and end the process
    themselves if nothing else has done so `GRACE` seconds later."""

    signal: int | None = None
    """The first that came."""

    def __enter__(self) -> Ending:
        self._before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number, before in self._before.items():
            if before is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, self._come)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.signal is not None:
            self._timer.cancel()
            interrupted.clear()
        for number, before in self._before.items():
            signal.signal(number, before)

    def leave(self) -> int:
        """Say the last line of a command that was told to end, and leave with 130, or 143 for SIGTERM.

        Returns:
            130, where no signal came but `KeyboardInterrupt` was raised.
        """
        for each in self._before:
            signal.signal(each, signal.SIG_IGN)  # it is ending: whoever asks again gets what they want
        code = self._last_line()
        if self.signal is not None:
            sys.stdout.flush()
            os._exit(code)  # Python would die of SIGINT if the exception has passed through `exec`, as in imports
        return code

    def _last_line(self) -> int:
        number = self.signal or signal.SIGINT
        what = "interrupted" if number == signal.SIGINT else "terminated"
        print(f"{what}; the same command goes on from here", file=sys.stderr, flush=True)  # noqa: T201
        return 128 + number

    def _come(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = number
            interrupted.set()
            self._timer = threading.Timer(GRACE, self._end)
            self._timer.daemon = True
            self._timer.start()
        raise KeyboardInterrupt

    def _end(self) -> None:
        os._exit(self._last_line())
