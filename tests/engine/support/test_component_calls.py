"""Guarded calls: the error names the component, and failures of the machine are told from failures of a candidate."""

from __future__ import annotations

import errno
import io
import sqlite3
import subprocess
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from loguru import logger

from emopms.builtin.objective.macs import Macs
from emopms.engine.support.component_calls import guarded_call, is_passing, validate_array
from emopms.engine.support.interruption import interrupted
from emopms.errors import ComponentError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def signal() -> Iterator[None]:
    """The process has received a signal to end."""
    interrupted.set()
    yield
    interrupted.clear()


def _raise(error: BaseException) -> None:
    with guarded_call(Macs(), "count"):
        raise error


def test_a_call_without_error_is_let_through() -> None:
    with guarded_call(Macs(), "count"):
        found = 3
    assert found == 3


@pytest.mark.parametrize("error", [ValueError("no weights"), KeyError("x"), SystemExit(2), MemoryError()])
def test_an_error_names_the_component_and_its_work(error: BaseException) -> None:
    with pytest.raises(
        ComponentError, match=r"objective 'macs' \(emopms\.builtin\.objective\.macs:Macs\) failed to"
    ) as c:
        _raise(error)
    assert c.value.message.startswith("The objective")
    assert "failed to count: " in c.value.message
    assert c.value.__cause__ is error
    assert "settings" in c.value.remedy


def test_the_traceback_is_logged_at_debug() -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="DEBUG", format="{level} {message}")
    with pytest.raises(ComponentError):
        _raise(ValueError("no weights"))
    logger.remove(sink)
    assert said[0].startswith("DEBUG objective 'macs'")
    assert "Traceback" in said[0]
    assert "no weights" in said[0]


def test_a_full_disk_has_its_own_remedy() -> None:
    with pytest.raises(ComponentError) as caught:
        _raise(OSError(errno.ENOSPC, "No space left on device"))
    assert "Free space" in caught.value.remedy


def test_errors_of_emopms_are_let_through() -> None:
    with pytest.raises(RunError, match="diverged") as caught:
        _raise(RunError("diverged"))
    assert type(caught.value) is RunError


def test_the_user_may_always_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt):
        _raise(KeyboardInterrupt())


@pytest.mark.usefixtures("signal")
def test_after_a_signal_neither_results_nor_errors_count() -> None:
    with pytest.raises(KeyboardInterrupt), guarded_call(Macs(), "count"):
        pass
    with pytest.raises(KeyboardInterrupt):
        _raise(ValueError("the library translated it"))


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
        _closed_stream(),
        _caused(ValueError("no value"), OSError()),
        _in_handling(ValueError("no value"), OSError()),
        _caused(ValueError("no value"), _caused(KeyError(), SystemExit())),
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
        MemoryError(),
        _caused(ValueError("no value"), KeyError()),
    ],
    ids=repr,
)
def test_failures_of_candidates_stay(error: BaseException) -> None:
    assert not is_passing(error)


@pytest.mark.parametrize(
    ("found", "sort", "shape"),
    [
        (np.ones((2, 3), dtype=np.bool_), "booleans", (2, 3)),
        (np.ones((2, 3), dtype=np.bool_), "booleans", (None, 3)),
        ([1, 2], "integers", (2,)),
        (np.ones(4, dtype=np.uint8), "integers", (None,)),
        ([1, 2], "numbers", (2,)),
        (np.ones(4, dtype=np.float32), "numbers", (4,)),
    ],
)
def test_arrays_of_the_right_type_and_shape_are_accepted(
    found: object, sort: str, shape: tuple[int | None, ...]
) -> None:
    validate_array(found, sort, *shape)


@pytest.mark.parametrize(
    ("found", "sort", "shape", "message"),
    [
        (np.ones((2, 3)), "booleans", (None, 3), r"returned float64 of shape \[2, 3\] instead of booleans \[any, 3\]"),
        (np.ones((2, 3), dtype=np.bool_), "booleans", (None, 4), r"instead of booleans \[any, 4\]"),
        (np.ones(3, dtype=np.bool_), "booleans", (None, 3), r"shape \[3\]"),
        ([1.5], "integers", (1,), "float64"),
        ([True], "numbers", (1,), "bool"),
        ([1j], "numbers", (1,), "complex128"),
        (None, "numbers", (1,), "object"),
        ("text", "numbers", (None,), "<U4"),
    ],
)
def test_other_arrays_are_refused(found: object, sort: str, shape: tuple[int | None, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        validate_array(found, sort, *shape)


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
