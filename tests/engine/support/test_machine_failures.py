"""Failures of the machine are told from failures of a candidate, whatever their class."""

from __future__ import annotations

import asyncio
import errno
import io
import sqlite3
import subprocess
from concurrent.futures.process import BrokenProcessPool
from http.client import IncompleteRead
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors import SafetensorError

from emopms.builtin.objective.macs import Macs
from emopms.engine.support.component_calls import guarded_call
from emopms.engine.support.machine_failures import is_passing
from emopms.errors import ComponentError

if TYPE_CHECKING:
    from collections.abc import Callable


def _caused(error: Exception, cause: BaseException) -> Exception:
    try:
        try:
            raise cause
        except BaseException as first:
            raise error from first
    except Exception as found:
        return found


def _in_handling(error: Exception, context: BaseException) -> Exception:
    try:
        try:
            raise context
        except BaseException:
            raise error  # noqa: B904
    except Exception as found:
        return found


def _from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def _loop() -> Exception:
    error = ValueError("no value")
    return _from(error, _from(KeyError(), error))


def _closed_stream() -> Exception:
    stream = io.StringIO()
    stream.close()
    try:
        stream.write("x")
    except ValueError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        ConnectionResetError(),
        SystemExit(1),
        BrokenProcessPool(),
        RuntimeError("can't start new thread"),
        SafetensorError("Error while serializing: I/O error: Input/output error (os error 5)"),
        KeyError("cache: Too many open files"),
        RuntimeError("DataLoader worker (pid 4242) is killed by signal: Bus error."),
        RuntimeError("DataLoader worker (pid(s) 4242) exited unexpectedly"),
        RuntimeError("received 0 items of ancdata"),
        RuntimeError("unable to open shared memory object </torch_1> in read-write mode: Too many open files (24)"),
        RuntimeError("unable to write to file </torch_2>: No such process (3)"),
        RuntimeError("CUDA error: unspecified launch failure"),
        ImportError("libcudart.so.12: cannot open shared object file: Too many open files"),
        IncompleteRead(b""),
        asyncio.CancelledError(),
        _closed_stream(),
        _caused(ValueError("no value"), OSError()),
        _in_handling(ValueError("no value"), OSError()),
        _caused(ValueError("no value"), _caused(KeyError(), SystemExit())),
        _in_handling(_from(ValueError("no value"), KeyError()), OSError()),
    ],
    ids=repr,
)
def test_failures_of_the_machine_may_pass(error: BaseException) -> None:
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("closed form"),
        RuntimeError("shapes differ"),
        RuntimeError("unable to resize features"),
        RuntimeError("Caught ValueError in DataLoader worker process 0."),
        RuntimeError("CUDA error: invalid configuration argument"),
        RuntimeError("CUDA error: out of memory"),
        SafetensorError("Error while deserializing header: invalid header length"),
        MemoryError(),
        _loop(),
        _caused(ValueError("no value"), KeyError()),
    ],
    ids=repr,
)
def test_failures_of_candidates_stay(error: BaseException) -> None:
    assert not is_passing(error)


def _full_disk() -> None:
    torch.save(torch.zeros(10), "/dev/full")


def _group() -> None:
    raise ExceptionGroup("tasks", [ValueError("mine"), OSError(28, "No space left on device")])


def _database() -> None:
    raise sqlite3.OperationalError("database or disk is full")


def _dead_worker() -> None:
    raise EOFError


def _slow_process() -> None:
    raise subprocess.TimeoutExpired("measure", 1)


@pytest.mark.parametrize("fail", [_full_disk, _group, _database, _dead_worker, _slow_process])
def test_more_failures_of_the_machine(fail: Callable[[], None]) -> None:
    with pytest.raises(Exception, match=r".*") as error:
        fail()
    assert is_passing(error.value)
    with pytest.raises(ComponentError) as named, guarded_call(Macs(), "evaluate candidates"):
        fail()
    assert is_passing(named.value)


@pytest.mark.parametrize("error", [ValueError("no weights"), RuntimeError("shape"), ExceptionGroup("x", [KeyError()])])
def test_failures_of_the_candidate(error: Exception) -> None:
    assert not is_passing(error)
