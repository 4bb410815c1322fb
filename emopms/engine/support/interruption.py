"""The flag that this process received a signal to end. A plugin that catches every exception cannot hide it."""

from __future__ import annotations

from threading import Event

interrupted = Event()
"""The signal handler sets it before it raises `KeyboardInterrupt`."""
