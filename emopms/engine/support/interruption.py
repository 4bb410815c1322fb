"""Whether this process was told to end. What catches every exception, as plugins may, does not hide it."""

from __future__ import annotations

from threading import Event

interrupted = Event()
"""Set by who receives the signal, before `KeyboardInterrupt` is raised."""
