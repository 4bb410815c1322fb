"""Protects settings of the whole process from plugins: restores them, and names the plugin that changed them. Seeds and
restores the global random generators."""

from __future__ import annotations

import os
import random
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Setting(NamedTuple):
    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


@contextmanager
def unchanged_process(whose: str) -> Iterator[None]:
    """Restore the settings that the body of the ``with`` statement changes, and log a warning that names its code.

    The working directory is restored. If torch was imported before, these are restored too: its default dtype, its
    default device, its number of threads, autocast, and whether it records gradients.

    Args:
        whose: Name of the code that runs in the body. The warning contains it.
    """
    before = [(setting, _read(setting)) for setting in _settings()]
    try:
        yield
    finally:
        for setting, value in before:
            if (after := _read(setting)) != value:
                setting.write(value)
                if (whose, setting.name) in _named:
                    continue
                from loguru import logger  # imported here, because reading a spec does not need loguru

                _named.add((whose, setting.name))
                logger.warning("{} changed {} to {}: it is {} again", whose, setting.name, after, value)


@contextmanager
def generators_restored() -> Iterator[None]:
    """Restore the states of the global random generators of torch on the CPU, of numpy, and of Python's `random`."""
    import numpy as np
    import torch

    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])


def seed_generators(seed: int) -> None:
    """Seed the global random generators of torch on the CPU, of numpy, and of Python's `random`.

    It takes microseconds: ``torch.manual_seed`` also prepares the generators of all GPUs, which takes a hundred times
    as long.

    Args:
        seed: The seed, of at most 63 bits.
    """
    import numpy as np
    import torch

    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


@contextmanager
def plain_torch() -> Iterator[None]:
    """Run the body with torch's own defaults: float32 on the CPU, gradients recorded, no autocast."""
    import torch

    plain = {
        "torch's default dtype": torch.float32,
        "torch's default device": torch.device("cpu"),
        "autocast on the CPU": False,
        "autocast on CUDA": False,
        "the recording of gradients": True,
    }
    settings = {setting.name: setting for setting in _settings()}
    before = {name: settings[name].read() for name in plain}
    try:
        for name, value in plain.items():
            if before[name] != value:
                settings[name].write(value)
        yield
    finally:
        for name in plain:
            if settings[name].read() != before[name]:
                settings[name].write(before[name])


_named: set[tuple[str, str]] = set()
"""Pairs of code and setting that a warning has named. They are not named again, because some code runs for every
candidate."""


def _settings() -> list[_Setting]:
    settings = [_Setting("the working directory", os.getcwd, os.chdir)]
    torch: Any = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "set_grad_enabled"):  # torch is not imported, or its import has not finished
        return settings
    return [
        *settings,
        _Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
        _Setting(
            "torch's default device",
            torch.get_default_device,
            lambda device: torch.set_default_device(None if device == torch.device("cpu") else device),
        ),
        _Setting("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
        _Setting(
            "autocast on the CPU",
            lambda: torch.is_autocast_enabled("cpu"),
            lambda on: torch.set_autocast_enabled("cpu", on),
        ),
        _Setting(
            "autocast on CUDA",
            lambda: torch.is_autocast_enabled("cuda"),
            lambda on: torch.set_autocast_enabled("cuda", on),
        ),
        _Setting("the recording of gradients", torch.is_grad_enabled, torch.set_grad_enabled),
    ]


def _read(setting: _Setting) -> Any:
    try:
        return setting.read()
    except OSError:  # the working directory was removed
        return None
