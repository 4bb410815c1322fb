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
    registry._installed.cache_clear()
    yield add
    registry._installed.cache_clear()


GREEDY = "emopms.builtin.ranker.greedy:Greedy"


def test_a_component_is_found_by_name(install: Install) -> None:
    install("theirs", "greedy", GREEDY)
    assert issubclass(find("ranker", "greedy"), api.Ranker)
    assert names("ranker") == ["greedy"]
    assert names("data") == []


def test_an_unknown_name_suggests_the_nearest_and_lists_all(install: Install) -> None:
    for name in ("impairment", "greedy"):
        install("ours", name, GREEDY)
    with pytest.raises(UnknownComponentError, match="no ranker called 'greddy'") as caught:
        find("ranker", "greddy")
    assert caught.value.remedy == "Did you mean 'greedy'? Available: greedy, impairment."


def test_an_empty_slot_says_so(install: Install) -> None:
    with pytest.raises(UnknownComponentError) as caught:
        find("ranker", "greedy")
    assert caught.value.remedy == "Available: none."


def test_two_distributions_with_one_name_are_both_named(install: Install) -> None:
    install("ours", "greedy", GREEDY)
    install("theirs", "greedy", "theirs.rankers:Greedy")
    with pytest.raises(PluginError, match="'greedy' is defined by") as caught:
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
    with pytest.raises(PluginError, match="not a component of the slot ranker") as caught:
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
    groups = {"emopms.ranker": {"greedy": GREEDY}}
    monkeypatch.setattr(entrypoints, "iter_files_distros", lambda: iter([(groups, installed), (groups, checkout)]))
    registry._all_entry_points.cache_clear()
    registry._installed.cache_clear()
    try:
        assert find("ranker", "greedy").slot == "ranker"
    finally:
        registry._all_entry_points.cache_clear()
        registry._installed.cache_clear()


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


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Install) -> Iterator[Callable[..., None]]:
    """Installs a module with some source as a plugin that claims one name."""

    def add(source: str, name: str = "quick", target: str = "some_plugin:Quick") -> None:
        (tmp_path / "some_plugin.py").write_text(f"{PLUGIN_HEAD}{source}", encoding="utf-8")
        install("theirs", name, target)

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "some_plugin", raising=False)
    yield add
    sys.modules.pop("some_plugin", None)


PLUGIN_HEAD = "from typing import Literal\nfrom emopms.api import Ranker\n"
QUICK = "class Quick(Ranker):\n    name: Literal['quick'] = 'quick'\n    def join(self, fronts): return None\n"


@pytest.mark.parametrize(
    ("source", "message", "remedy"),
    [
        ("class Quick(Ranker):\n    name: Literal['quick'] = 'quick'\n", "is not complete", "must define join"),
        (QUICK.replace("'quick'", "'slow'"), "does not declare the name 'quick'", '`name: Literal["quick"] = "quick"`'),
        (QUICK.replace("    name: Literal['quick'] = 'quick'\n", ""), "does not declare the name 'quick'", "Literal"),
        ("class Quick:\n    slot = 'ranker'\n", "does not declare the name 'quick'", "Literal"),
        ("import sys\nsys.exit(1)\n", "cannot be imported: SystemExit: 1", "pip uninstall theirs"),
        ("import pytest\npytest.skip('x', allow_module_level=True)\n", "cannot be imported: Skipped", "uninstall"),
        ("raise RuntimeError('a\\nb')\n", "cannot be imported: RuntimeError: a b", "pip uninstall theirs"),
    ],
)
def test_a_plugin_at_fault(plugin: Callable[..., None], source: str, message: str, remedy: str) -> None:
    plugin(source)
    with pytest.raises(PluginError) as caught:
        find("ranker", "quick")
    assert "ranker 'quick' of theirs 1.2 (some_plugin:Quick)" in caught.value.message
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_a_plugin_is_found(plugin: Callable[..., None]) -> None:
    plugin(QUICK)
    assert find("ranker", "quick")().model_dump() == {"name": "quick"}
    assert str(registry.origins("ranker", "quick")[0]) == "theirs 1.2 (some_plugin:Quick)"


def test_an_interrupt_while_a_plugin_is_imported_is_no_failure_of_it(plugin: Callable[..., None]) -> None:
    plugin("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        find("ranker", "quick")


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(name: str) -> Path:
        path = tmp_path / name
        path.write_text(PLUGIN_HEAD + QUICK, encoding="utf-8")
        return path

    return write


def test_components_of_files_count_beside_installed_ones(install: Install, file: Callable[[str], Path]) -> None:
    install("ours", "greedy", GREEDY)
    path = file("mine.py")
    assert names("ranker", [path]) == ["greedy", "quick"]
    assert names("ranker") == ["greedy"]
    assert find("ranker", "quick", [path])().name == "quick"
    assert find("ranker", "greedy", [path]).slot == "ranker"
    assert [str(origin) for origin in registry.origins("ranker", "quick", [path])] == [str(path)]
    with pytest.raises(UnknownComponentError) as caught:
        find("ranker", "quik", [path])
    assert caught.value.remedy == "Did you mean 'quick'? Available: greedy, quick."
    with pytest.raises(UnknownComponentError):
        find("data", "quick", [path])


def test_a_file_that_claims_the_name_of_an_installed_component(install: Install, file: Callable[[str], Path]) -> None:
    install("theirs", "quick", "theirs:Quick")
    path = file("mine.py")
    with pytest.raises(PluginError) as caught:
        find("ranker", "quick", [path])
    assert caught.value.message == f"ranker 'quick' is defined by theirs 1.2 (theirs:Quick) and {path}."
    assert caught.value.remedy == "Rename one of the two."


def test_two_files_with_one_name(install: Install, file: Callable[[str], Path]) -> None:
    one, other = file("one.py"), file("other.py")
    with pytest.raises(PluginError, match="is defined by") as caught:
        find("ranker", "quick", [one, other])
    assert str(one) in caught.value.message
    assert str(other) in caught.value.message
    assert find("ranker", "quick", [one, one]).slot == "ranker"


def test_an_edited_file_counts_in_the_same_process(file: Callable[[str], Path]) -> None:
    path = file("mine.py")
    first = find("ranker", "quick", [path])
    path.write_text(path.read_text() + "    speed: int = 3\n")
    assert find("ranker", "quick", [path])().speed == 3
    assert "speed" not in first.model_fields


def test_a_file_with_an_incomplete_component(file: Callable[[str], Path]) -> None:
    path = file("mine.py")
    path.write_text(path.read_text().replace("def join", "def joint"))
    with pytest.raises(PluginError, match="is not complete") as caught:
        find("ranker", "quick", [path])
    assert str(path) in caught.value.message


@pytest.mark.parametrize("content", ["[emopms.ranker]\na = b:c\na = d:e\n", "no section\n", "\udcff\n"])
def test_entry_points_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    folder = tmp_path / "theirs-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text(content, encoding="utf-8", errors="surrogateescape")
    monkeypatch.syspath_prepend(tmp_path)
    registry._all_entry_points.cache_clear()
    try:
        with pytest.raises(PluginError, match="entry points of a distribution cannot be read") as caught:
            names("ranker")
    finally:
        registry._all_entry_points.cache_clear()
    assert caught.value.remedy
