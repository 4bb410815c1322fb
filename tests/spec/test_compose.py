"""Specs that extend others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emopms.errors import Problem, SpecError
from emopms.spec import Spec, load_spec, render
from emopms.spec.document import MAX_NODES

from . import fakes

if TYPE_CHECKING:
    from .conftest import Write

BASE = """\
version: 1
name: base
backbone: {name: net, depth: 8}
data: {name: blobs, noise: 0.5}
pretrain: {epochs: 3, lr: 0.25}
split: [layer1, layer2]
targets: [{macs: 0.5}, {macs: 0.25}]
"""

PLUGIN = """
from typing import Literal
from emopms.api import Selector

class Mine(Selector):
    name: Literal["mine"] = "mine"
    def criterion(self, site):
        raise NotImplementedError
"""


def extend(write: Write, more: str, *, base: str = BASE) -> Spec:
    write(base, name="base.yaml")
    return load_spec(write("extends: base.yaml\n" + more))


def refused(path: Path, *overrides: str) -> Problem:
    """The one problem of a spec."""
    with pytest.raises(SpecError) as caught:
        load_spec(path, overrides)
    assert render(caught.value)
    (problem,) = caught.value.problems
    assert problem.remedy
    return problem


def place(problem: Problem) -> tuple[str, int | None, str]:
    """File, line, and the text from the caret on."""
    assert problem.column is not None
    return Path(problem.file).name, problem.line, problem.source[problem.column - 1 :]


def test_an_empty_variation_says_what_its_base_says(write: Write) -> None:
    assert extend(write, "") == load_spec(write(BASE, name="base.yaml"))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("name: other", {"name": "other"}),
        ("pretrain: {lr: 0.5}", {"pretrain": {"epochs": 3, "lr": 0.5}}),
        ("pretrain: {}", {}),
        ("seed: 4", {"seed": 4}),
        ("split: [layer2]", {"split": ["layer2"]}),
        ("split: []", {"split": []}),
        ("split: at", {"split": []}),
        ("split: {name: at}", {}),
        ("split: {points: [a]}", {"split": ["a"]}),
        ("targets: [{params: 0.5}]", {"targets": [{"params": 0.5}]}),
        ("data: {root: x}", {"data": {"name": "blobs", "noise": 0.5, "root": "x"}}),
        ("data: {name: blobs, root: x}", {"data": {"name": "blobs", "noise": 0.5, "root": "x"}}),
        ("data: blobs", {"data": "blobs"}),
        ("backbone: {head: {width: 3}}", {"backbone": {"name": "net", "depth": 8, "head": {"width": 3}}}),
        ("algorithm: {generations: 3}", {"algorithm": {"name": "nsga2", "generations": 3}}),
        ("objectives: [{name: macs}, capability]", {"objectives": ["macs", "capability"]}),
    ],
)
def test_mappings_are_merged_and_all_else_is_replaced(write: Write, more: str, expected: dict[str, Any]) -> None:
    base = {
        "version": 1,
        "name": "base",
        "backbone": {"name": "net", "depth": 8},
        "data": {"name": "blobs", "noise": 0.5},
        "pretrain": {"epochs": 3, "lr": 0.25},
        "split": ["layer1", "layer2"],
        "targets": [{"macs": 0.5}, {"macs": 0.25}],
    }
    assert extend(write, more) == Spec.model_validate(base | expected)


@pytest.mark.parametrize(
    ("written", "over"),
    [
        ("nsga2", "{generations: 3}"),
        ("nsga2", "{name: nsga2, generations: 3}"),
        ("{generations: 3}", "{name: nsga2}"),
        ("{pop_size: 40}", "{generations: 3}"),
    ],
)
def test_a_component_may_be_written_in_another_way_in_the_base(write: Write, written: str, over: str) -> None:
    spec = extend(write, f"algorithm: {over}\n", base=BASE + f"algorithm: {written}\n")
    assert spec.algorithm == fakes.Nsga2(generations=3)


def test_parameters_go_with_the_component_they_belong_to(write: Write) -> None:
    base = BASE + "selector: {name: linear_probe, epochs: 9}\n"
    write(PLUGIN, name="mine.py")
    spec = extend(write, "plugins: [mine.py]\nselector: {name: mine}\n", base=base)
    assert spec.selector.model_dump() == {"name": "mine"}
    problem = refused(write("extends: base.yaml\nplugins: [mine.py]\nselector: {name: mine, epochs: 9}\n"))
    assert place(problem) == ("spec.yaml", 3, "epochs: 9}")


def test_a_base_may_be_incomplete_and_extend_another(write: Write, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    write(BASE, name="inner/deepest.yaml")
    write("extends: deepest.yaml\nname: middle\nseed: 1\n", name="inner/middle.yaml")
    spec = load_spec(write("extends: inner/middle.yaml\nseed: 2\n"))
    assert (spec.name, spec.seed, spec.split) == ("middle", 2, fakes.At(points=("layer1", "layer2")))
    assert spec.folder == tmp_path


def test_the_resolved_spec_needs_no_base(write: Write) -> None:
    spec = extend(write, "seed: 5\n")
    assert "extends" not in spec.to_yaml()
    assert load_spec(write(spec.to_yaml(), name="resolved.yaml")) == spec


@pytest.mark.parametrize(
    ("base", "more", "expected"),
    [
        ("seed: x", "", ("base.yaml", 8, "x")),
        ("", "seed: x", ("spec.yaml", 2, "x")),
        ("seed: x", "seed: y", ("spec.yaml", 2, "y")),
        ("finetune:\n  lr: x", "finetune: {alpha: 0.5}", ("base.yaml", 9, "x")),
        ("finetune:\n  lr: 0.5", "finetune: {lr: x}", ("spec.yaml", 2, "x}")),
        ("finetune:\n  lr: 0.5", "finetune:", ("spec.yaml", 2, "")),
        ("sead: 1", "", ("base.yaml", 8, "sead: 1")),
        ("sead: 1", "sead: 2", ("spec.yaml", 2, "sead: 2")),
        ("selector: probe", "", ("base.yaml", 8, "probe")),
        ("algorithm: nsga2", "algorithm: {pop_size: x}", ("spec.yaml", 2, "x}")),
        ("algorithm: {pop_size: x}", "algorithm: {name: nsga2}", ("base.yaml", 8, "x}")),
        ("", "split: {name: at, pionts: [a]}", ("spec.yaml", 2, "pionts: [a]}")),
        ("", "split: {points: [a, 2]}", ("spec.yaml", 2, "2]}")),
        ("", "targets: [{macs: 1}, {macs: 2}]", ("spec.yaml", 2, "2}]")),
        ("schemes: 0", "targets: [{macs: 1}]", ("base.yaml", 8, "0")),
        ("", "backbone: {depth: 3}", ("spec.yaml", 2, "3}")),
        ("", "backbone: net", ("spec.yaml", 2, "backbone: net")),
    ],
)
def test_problems_are_shown_where_they_were_written(
    write: Write, base: str, more: str, expected: tuple[str, int, str]
) -> None:
    write(BASE + base + "\n", name="base.yaml")
    assert place(refused(write(f"extends: base.yaml\n{more}\n"))) == expected


def test_positions_within_a_list_that_was_short_for_a_component(write: Write) -> None:
    write(BASE.replace("layer2", "2"), name="base.yaml")
    problem = refused(write("extends: base.yaml\nsplit: {name: at}\n"))
    assert place(problem) == ("base.yaml", 6, "2]")
    assert problem.dotted == "split.points[1]"


def test_problems_of_the_spec_come_before_those_of_its_base(write: Write) -> None:
    write(BASE + "seed: x\n", name="a.yaml")
    with pytest.raises(SpecError) as caught:
        load_spec(write("extends: a.yaml\nfinetune: {lr: x, alpha: x}\nschemes: x\n"))
    files = [(Path(problem.file).name, problem.line) for problem in caught.value.problems]
    assert files == [("spec.yaml", 2), ("spec.yaml", 2), ("spec.yaml", 3), ("a.yaml", 8)]


def test_a_missing_key_is_missed_in_the_spec_itself(write: Write) -> None:
    write(BASE.replace("name: base\n", ""), name="base.yaml")
    assert place(refused(write("extends: base.yaml\nseed: 1\n"))) == ("spec.yaml", 1, "extends: base.yaml")


def test_problems_found_later_are_shown_where_they_were_written(write: Write) -> None:
    spec = extend(write, "data: {root: x}\n")
    (found,) = spec.problem(("split", "points", 1), "there is no layer2.").problems
    assert place(found) == ("base.yaml", 6, "layer2]")
    (found,) = spec.problem(("data", "root"), "no data.").problems
    assert place(found) == ("spec.yaml", 2, "x}")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("extends: spec.yaml", "extends this file in turn"),
        ("extends: ./../{folder}/spec.yaml", "extends this file in turn"),
        ("extends: none.yaml", "there is no such file"),
        ("extends: .", "this is a folder"),
        ('extends: ""', "expected the path"),
        ("extends:", "expected the path"),
        ("extends: 3", "expected the path"),
        ("extends: [base.yaml]", "expected the path"),
        ("extends: /dev/zero", "this is not a regular file"),
        ("extends: loop.yaml", "symbolic links"),
        ("extends: " + "d" * 3000, "too long"),
        ("extends: empty.yaml", "the spec is empty"),
    ],
)
def test_a_base_that_cannot_be_had(write: Write, tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    write("", name="empty.yaml")
    problem = refused(write(f"seed: 1\n{line}\n".replace("{folder}", tmp_path.name)))
    assert words in problem.message
    if "empty" not in line:
        assert (problem.file, problem.line, problem.path) == (str(tmp_path / "spec.yaml"), 2, ("extends",))


def test_a_longer_circle(write: Write) -> None:
    write("extends: b.yaml\n", name="a.yaml")
    write("extends: a.yaml\n", name="b.yaml")
    assert place(refused(write("extends: a.yaml\n"))) == ("b.yaml", 1, "a.yaml")


@pytest.mark.parametrize(("length", "works"), [(16, True), (17, False)])
def test_chains_have_an_end(write: Write, length: int, works: bool) -> None:
    write(BASE, name="1.yaml")
    for number in range(2, length + 1):
        path = write(f"extends: {number - 1}.yaml\n", name=f"{number}.yaml")
    if works:
        assert load_spec(path).name == "base"
    else:
        assert "more than 16 specs" in refused(path).message


def test_values_are_counted_over_all_files(write: Write) -> None:
    many = f"split: [{', '.join(['x'] * (MAX_NODES - 100))}]\n"
    write(BASE, name="a.yaml")
    write("extends: a.yaml\n" + many, name="b.yaml")
    assert f"more than {MAX_NODES} values" in refused(write("extends: b.yaml\n" + many)).message


def test_what_is_not_yaml_in_the_base_is_shown_there(write: Write) -> None:
    write(BASE + "seed: ]\n", name="base.yaml")
    problem = refused(write("extends: base.yaml\n"))
    assert (Path(problem.file).name, problem.line) == ("base.yaml", 8)


def test_plugin_files_start_from_the_file_that_names_them(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    write(PLUGIN, name="inner/mine.py")
    write(BASE + "plugins: [mine.py]\nselector: mine\n", name="inner/base.yaml")
    assert load_spec(write("extends: inner/base.yaml\n")).plugins == (tmp_path / "inner" / "mine.py",)
    monkeypatch.chdir(tmp_path)
    assert load_spec("inner/base.yaml").plugins == (tmp_path / "inner" / "mine.py",)
    spec = load_spec(write(BASE), ["plugins=[inner/mine.py]", "selector=mine"])
    assert spec.plugins == (tmp_path / "inner" / "mine.py",)


def test_a_plugin_file_that_fails_is_the_one_problem(write: Write) -> None:
    write("1 / 0\n", name="mine.py")
    problem = refused(write(BASE + "plugins: [mine.py]\nselector: {name: mine, epochs: 3}\n"))
    assert place(problem) == ("spec.yaml", 8, "mine.py]")
    assert "mine.py:1 cannot be imported: ZeroDivisionError: division by zero" in problem.message


def test_a_plugin_file_that_fails_is_run_once(write: Write, tmp_path: Path) -> None:
    write(
        "from pathlib import Path\nwith Path(__file__ + '.log').open('a') as f: f.write('x')\n1 / 0\n", name="mine.py"
    )
    with pytest.raises(SpecError):
        load_spec(write(BASE + "plugins: [mine.py]\nselector: {name: mine, epochs: 3}\nalgorithm: {x: 1, y: 2}\n"))
    assert (tmp_path / "mine.py.log").read_text() == "x"
