"""Every check fails for some component, and every component that is shipped is checked."""

from __future__ import annotations

from importlib import import_module

import pytest

from emopms import registry, testing
from emopms.testing import ComponentConformance
from tests.testing.broken import checks_of


@pytest.mark.parametrize("slot", registry.SLOTS)
def test_every_check_can_fail(slot: str) -> None:
    suite = getattr(testing, f"{slot.capitalize()}Conformance")
    assert suite.slot == slot
    broken = import_module(f"tests.testing.test_{slot}").BROKEN
    assert {case.check for case in broken} == checks_of(suite)


def test_every_common_check_can_fail() -> None:
    broken = import_module("tests.testing.test_component").BROKEN
    assert {case.check for case in broken} == checks_of(ComponentConformance)


@pytest.mark.parametrize("slot", registry.SLOTS)
def test_every_component_that_is_shipped_is_checked(slot: str) -> None:
    suites = vars(import_module(f"tests.builtin.{slot}.test_conformance")).values()
    checked = {type(suite.component) for suite in suites if hasattr(suite, "component")}
    shipped = {registry.find(slot, name) for name in registry.names(slot)}
    built_in = {kind for kind in shipped if kind.__module__.startswith("emopms.builtin.")}
    assert checked == {kind for kind in built_in if not kind.only_in_python}, "the others have tests of their own"
