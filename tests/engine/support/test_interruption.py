"""The flag that the process received a signal to end."""

from __future__ import annotations

import os
import signal

import pytest

from emopms.cli.signals import Ending
from emopms.engine.support.interruption import interrupted


@pytest.mark.skipif(not hasattr(signal, "SIGTERM"), reason="the platform has no such signal")
def test_the_flag_is_set_before_a_plugin_can_catch_the_interruption() -> None:
    assert not interrupted.is_set()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Ending():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except BaseException:
                caught = interrupted.is_set()
            assert caught
        assert not interrupted.is_set(), "the next command begins anew"
    finally:
        signal.signal(signal.SIGTERM, before)
