"""Orderly exit of a command after SIGINT (Ctrl-C), SIGTERM (a scheduler) or SIGHUP (a terminal that was closed)."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from emopms.cli.output import tell
from emopms.engine.support.interruption import interrupted

if TYPE_CHECKING:
    from types import FrameType, TracebackType

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE: Final = 5.0
"""Seconds after a signal until the process is ended by force. Force is needed because a library may catch the exception
that the signal raises. Ending by force is safe, because the files on disk are consistent at any time."""


class Ending:
    """Context in which SIGINT, SIGTERM and SIGHUP raise `KeyboardInterrupt` in the main thread.

    If the process has not ended `GRACE` seconds after the signal, it is ended by force.
    """

    signal: int | None = None
    """The first signal that was received, or None if there was no signal."""

    def __enter__(self) -> Ending:
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number, before in self._before.items():
            if before is not signal.SIG_IGN:  # nohup ignores signals, and this must stay so
                signal.signal(number, self._handle)
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
        """Print the last line of the command. After a signal, end the process.

        The exit code is 130 after SIGINT, 143 after SIGTERM and 129 after SIGHUP.

        Returns:
            130 if `KeyboardInterrupt` was raised without a signal. After a signal, this method does not return.
        """
        for each in self._before:
            signal.signal(each, signal.SIG_IGN)  # the process is ending already: ignore further signals
        code = self._last_line()
        if self.signal is not None:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            os._exit(code)  # after a return, Python could end with another exit code
        return code

    def _last_line(self) -> int:
        number = self.signal or signal.SIGINT
        what = "interrupted" if number == signal.SIGINT else "terminated"
        tell(f"{what}; run the same command again to continue")
        return 128 + number

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = number
            interrupted.set()
            self._timer = threading.Timer(GRACE, self._end)
            self._timer.daemon = True
            self._timer.start()
        raise KeyboardInterrupt

    def _end(self) -> None:
        os._exit(self._last_line())
