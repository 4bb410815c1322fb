"""Guarded calls: the error names the component, and says what can be done."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import numpy as np
import pytest
from loguru import logger
from safetensors import SafetensorError

from emopms.builtin.objective.macs import Macs
from emopms.engine.support.component_calls import guarded_call, validate_array
from emopms.engine.support.interruption import interrupted
from emopms.errors import ComponentError, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        ExceptionGroup("two tasks", [ValueError("mine"), OSError(errno.EDQUOT, "Disk quota exceeded")]),
    ],
)
def test_a_full_disk_has_its_own_remedy(error: Exception) -> None:
    with pytest.raises(ComponentError) as caught:
        _raise(error)
    assert "Free space" in caught.value.remedy


def test_a_failure_of_the_machine_has_its_own_remedy() -> None:
    with pytest.raises(ComponentError) as caught:
        _raise(RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "))
    assert "the machine: free space" in caught.value.remedy


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
