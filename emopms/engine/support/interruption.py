"""A flag that says that this process received a signal to end. A plugin that catches all exceptions cannot hide it."""

from __future__ import annotations

from threading import Event

interrupted = Event()
"""The flag that is set if this process received a signal to end. The signal handler sets it before it raises
`KeyboardInterrupt`."""
