from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import entrypoints
import pytest

from emopms import api, registry
from emopms.errors import PluginError
from emopms.registry import SLOTS, UnknownComponentError, find, names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts entry points, ``name = module:object`` by distribution, in the place of all that is installed."""
    points: dict[str, list[entrypoints.EntryPoint]] = {}

    def add(distribution: str, name: str, target: str) -> None:
        origin = entrypoints.Distribution(distribution, "1.2")
        points.setdefault(name, []).append(entrypoints.EntryPoint.from_string(target, name, origin))

    monkeypatch.setattr(registry, "_entry_points", lambda slot: points if slot == "ranker" else {})
    find.cache_clear()
    yield add
    find.cache_clear()


GREEDY = "emopms.builtin.ranker.greedy:Greedy"


def test_a_component_is_found_by_name(install: Install) -> None:
    install("theirs", "lazy", GREEDY)
    assert issubclass(find("ranker", "lazy"), api.Ranker)
    assert names("ranker") == ["lazy"]
    assert names("data") == []


def test_an_unknown_name_suggests_the_nearest_and_lists_all(install: Install) -> None:
    for name in ("impairment", "greedy"):
        install("ours", name, GREEDY)
    with pytest.raises(UnknownComponentError, match="no ranker called 'greddy'") as caught:
        find("ranker", "greddy")
    assert caught.value.remedy == "Did you mean 'greedy'? There is: greedy, impairment."


def test_an_empty_slot_says_so(install: Install) -> None:
    with pytest.raises(UnknownComponentError) as caught:
        find("ranker", "greedy")
    assert caught.value.remedy == "There is: nothing."


def test_two_distributions_with_one_name_are_both_named(install: Install) -> None:
    install("ours", "greedy", GREEDY)
    install("theirs", "greedy", "theirs.rankers:Greedy")
    with pytest.raises(PluginError, match="'greedy' is claimed by") as caught:
        find("ranker", "greedy")
    assert f"ours 1.2 ({GREEDY})" in caught.value.message
    assert "theirs 1.2 (theirs.rankers:Greedy)" in caught.value.message


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import a_module_that_is_missing", "No module named 'a_module_that_is_missing'"),
        ("x = 1 +", "SyntaxError"),
        ("", "AttributeError"),
    ],
)
def test_a_broken_plugin_names_its_distribution_and_why(
    source: str, said: str, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_plugin.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_plugin", raising=False)
    install("theirs", "quick", "broken_plugin:Quick")
    with pytest.raises(PluginError, match="cannot be imported") as caught:
        find("ranker", "quick")
    assert "theirs 1.2" in caught.value.message
    assert said in caught.value.message
    monkeypatch.delitem(sys.modules, "broken_plugin", raising=False)


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("emopms.builtin.split.at:At", "'At'"),
        ("math:sqrt", "'sqrt'"),
        ("math", "module 'math'"),
        ("emopms.registry:SLOTS", "'backbone'"),
    ],
)
def test_a_component_of_another_slot_is_refused(target: str, what: str, install: Install) -> None:
    install("theirs", "odd", target)
    with pytest.raises(PluginError, match="is not a ranker component") as caught:
        find("ranker", "odd")
    assert what in caught.value.message
    assert "theirs 1.2" in caught.value.message
    assert "emopms.api.Ranker" in caught.value.remedy


def test_a_broken_plugin_costs_nothing_until_it_is_named(install: Install) -> None:
    install("theirs", "broken", "no_such_module:Broken")
    install("ours", "greedy", GREEDY)
    assert names("ranker") == ["broken", "greedy"]
    assert find("ranker", "greedy").slot == "ranker"


def test_a_distribution_found_twice_on_the_path_claims_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    installed, checkout = (entrypoints.Distribution("ours", version) for version in ("1.0", None))
    points = [entrypoints.EntryPoint.from_string(GREEDY, "greedy", origin) for origin in (installed, checkout)]
    monkeypatch.setattr(entrypoints, "get_group_all", lambda group: points if group == "emopms.ranker" else [])
    registry._entry_points.cache_clear()
    find.cache_clear()
    try:
        assert find("ranker", "greedy").slot == "ranker"
    finally:
        registry._entry_points.cache_clear()
        find.cache_clear()


@pytest.mark.parametrize("slot", SLOTS)
def test_every_built_in_is_found_in_its_slot_under_its_own_name(slot: str) -> None:
    built_in = [name for name in names(slot) if find(slot, name).__module__.startswith("emopms.")]
    assert built_in
    for name in built_in:
        component = find(slot, name)
        assert component.model_fields["name"].default == name
        assert component.slot == slot
        assert component.__doc__


def test_slots_are_those_of_the_api() -> None:
    assert {slot.capitalize() for slot in SLOTS} <= set(api.__all__)
    assert [getattr(api, slot.capitalize()).slot for slot in SLOTS] == list(SLOTS)


def test_reading_the_entry_points_imports_no_component() -> None:
    code = (
        "import sys; from emopms import registry; [registry.names(slot) for slot in registry.SLOTS]; "
        "sys.exit(any(name.startswith('emopms.builtin') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
