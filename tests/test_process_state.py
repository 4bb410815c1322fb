"""Settings of the process that code of others changes are put back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from loguru import logger

from emopms.process_state import plain_torch, unchanged_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHANGES: dict[str, Callable[[], Any]] = {
    "the working directory": lambda: os.chdir("/"),
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "autocast on the CPU": lambda: torch.set_autocast_enabled("cpu", True),
    "the recording of gradients": lambda: torch.set_grad_enabled(False),
}


def state() -> tuple[object, ...]:
    return (
        Path.cwd(),
        torch.get_default_dtype(),
        torch.zeros(1).device,
        torch.get_num_threads(),
        torch.is_autocast_enabled("cpu"),
        torch.is_grad_enabled(),
    )


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    before = state()
    yield
    assert state() == before


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("fails", [False, True])
def test_what_is_changed_is_put_back_and_the_code_is_named(name: str, fails: bool) -> None:
    before, said = state(), list[str]()
    sink = logger.add(said.append, format="{message}")
    try:
        with unchanged_process(f"The objective 'mine' {name} {fails}"):
            CHANGES[name]()
            assert state() != before
            if fails:
                raise ValueError("mine")
    except ValueError:
        assert fails
    finally:
        logger.remove(sink)
    assert state() == before
    assert len(said) == 1
    assert f"changed {name}" in said[0]


def test_nothing_is_said_where_nothing_changes() -> None:
    said: list[str] = []
    sink = logger.add(said.append)
    with unchanged_process("x"):
        start = Path.cwd()
        os.chdir("/")
        os.chdir(start)
    logger.remove(sink)
    assert said == []


def test_torch_is_plain_for_a_while() -> None:
    CHANGES["torch's default dtype"]()
    CHANGES["the recording of gradients"]()
    torch.set_default_device("meta")
    try:
        before = state()
        with plain_torch():
            assert torch.zeros(1).dtype == torch.float32
            assert torch.zeros(1).device.type == "cpu"
            assert torch.is_grad_enabled()
        assert state() == before
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
