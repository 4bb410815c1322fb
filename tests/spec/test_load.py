from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emopms.errors import Problem, SpecError
from emopms.spec import FinetuneSettings, Spec, Target, Training, load_spec, render
from emopms.spec.document import Document
from emopms.spec.scalars import UNPRINTABLE, dump
from tests.examples import scaled

from . import fakes

if TYPE_CHECKING:
    from collections.abc import Callable

    from emopms.spec.document import KeyPath

    from .conftest import Write

SMALL = """\
version: 1
name: small
backbone: {name: net, depth: 8}
data: blobs
targets: [{macs: 0.5}]
"""


@pytest.fixture
def problems(write: Write) -> Callable[[str], list[Problem]]:
    """The problems of a small spec with more lines after it."""

    def load_problems(more: str) -> list[Problem]:
        with pytest.raises(SpecError) as caught:
            load_spec(write(SMALL + more))
        return list(caught.value.problems)

    return load_problems


def test_load(write: Write, tmp_path: Path) -> None:
    spec = load_spec(str(write(SMALL + "split: [layer1]\nfinetune: {lr: 1e-3}\n")))

    assert spec.backbone == fakes.Net(depth=8)
    assert spec.split == fakes.At(points=("layer1",))
    assert spec.finetune.lr == 1e-3
    assert spec.folder == tmp_path


def test_where_a_spec_comes_from_makes_no_difference(write: Write) -> None:
    one, other = load_spec(write(SMALL, name="a.yaml")), load_spec(write("\n" + SMALL, name="b.yaml"))

    assert one == other
    assert hash(one) == hash(other)
    assert one.resolved() == other.resolved()
    assert "document" not in one.to_yaml()


def pointed_at(problem: Problem) -> str:
    """The line from the caret on."""
    assert problem.column is not None
    return problem.source[problem.column - 1 :]


@pytest.mark.parametrize(
    ("more", "at", "dotted", "message"),
    [
        ("seed: abc", "abc", "seed", "expected a whole number, got the text 'abc'."),
        ("seed: 1.5", "1.5", "seed", "expected a whole number, got the number 1.5."),
        ("seed:", "", "seed", "expected a whole number, got nothing."),
        ("seed: true", "true", "seed", "expected a whole number, got true."),
        ("seed: -1", "-1", "seed", "expected at least 0, got the number -1."),
        ("pretrain: 3", "3", "pretrain", "expected a mapping, got the number 3."),
        ("pretrain: {lr: [1]}", "[1]}", "pretrain.lr", "expected a number, got a list."),
        ("finetune: {distill: yes}", "yes}", "finetune.distill", "expected true or false, got the text 'yes'."),
        ("finetune:\n  alpha: 2", "2", "finetune.alpha", "expected at most 1, got the number 2."),
        ("objectives: macs", "macs", "objectives", "expected a list, got the text 'macs'."),
        ("objectives: [macs]", "[macs]", "objectives", "all objectives are costs."),
        ("split: [layer1, 2]", "2]", "split[1]", "expected text, got the number 2."),
        ("split: {name: [at]}", "{", "split", "expected the name of a component of the slot split."),
        ("split: {name: at, points: [x, 2]}", "2]}", "split.points[1]", "expected text, got the number 2."),
        ("selector: linear_prob", "linear_", "selector", "There is no selector called 'linear_prob'."),
        ("selector: {name: {}}", "{name", "selector", "expected the name of a component"),
        ("selector: {name: x}", "x}", "selector.name", "There is no selector called 'x'."),
        ("selector: broken", "broken", "selector", "cannot be imported: ImportError: no module named {torch}"),
        ("selector: [x]", "[x]", "selector", "expected the name of a component of the slot selector."),
        ("algorithm: {name: nsga2, generations: 0}", "0}", "algorithm.generations", "expected at least 1, got"),
        ("export: [pt2]", "[pt2]", "export", "safetensors is not among the formats."),
    ],
)
def test_problem(problems: Callable[[str], list[Problem]], more: str, at: str, dotted: str, message: str) -> None:
    (problem,) = problems(more)

    assert message in problem.message
    assert problem.dotted == dotted
    assert problem.remedy
    assert problem.line == 5 + len(more.splitlines())
    assert pointed_at(problem).startswith(at)


@pytest.mark.parametrize(
    ("more", "key", "remedy"),
    [
        ("sead: 1", "sead", "Did you mean 'seed'?"),
        ("finetune: {tempreature: 1}", "tempreature", "Did you mean 'temperature'?"),
        ("algorithm: {name: nsga2, popsize: 4}", "popsize", "Did you mean 'pop_size'?"),
        ("export: [safetensors, {name: pt2, x: 1}]", "x: 1", "Available: name."),
        ("pretrain: {lr:0.5}", "lr:0.5", "Write a space after the colon: `lr: 0.5`."),
    ],
)
def test_unknown_key(problems: Callable[[str], list[Problem]], more: str, key: str, remedy: str) -> None:
    (problem,) = problems(more)

    assert problem.message == "there is no such key."
    assert problem.line == 6
    assert pointed_at(problem).startswith(key)
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("backbone", "dotted", "at", "remedy"),
    [
        ("net", "backbone.depth", "backbone: ", "Layers of the network."),
        ("{name: net}", "backbone.depth", "backbone: ", "Layers of the network."),
        ("{name: net, depth: 3}", "backbone.depth", "3}", "Layers of the network."),
        ("{name: net, depth: 4, head: {wdth: 3}}", "backbone.head.wdth", "wdth", "Did you mean 'width'?"),
        ("{name: net, depth: 4, heads: [{wdth: 3}]}", "backbone.heads[0].wdth", "wdth", "Did you mean 'width'?"),
        ("{name: net, depth: 4, heads: [{width: 0}]}", "backbone.heads[0].width", "0}", "Channels of the head."),
        ("{name: net, depth: 4, weights: 3}", "backbone.weights", "3}", "Put it in quotes."),
    ],
)
def test_problem_within_a_component(write: Write, backbone: str, dotted: str, at: str, remedy: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(write(SMALL.replace("{name: net, depth: 8}", backbone)))
    (problem,) = caught.value.problems

    assert problem.dotted == dotted
    assert remedy in problem.remedy
    assert problem.line == 3
    assert pointed_at(problem).startswith(at)


def test_missing_keys_point_at_the_parent(write: Write) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(write("# comment\nversion: 1\nname: a/b\n"))

    found = {problem.dotted: (problem.line, problem.column) for problem in caught.value.problems}
    assert found == {"backbone": (2, 1), "data": (2, 1), "targets": (2, 1), "name": (3, 7)}
    assert "The network to prune." in [problem.remedy for problem in caught.value.problems]


def test_all_problems_at_once_in_file_order(problems: Callable[[str], list[Problem]]) -> None:
    found = problems("seed: x\nsplit: [1]\nconstraint: nope\nfoo: 1\nfinetune: {alpha: 7, lr: x}\n")

    assert [problem.line for problem in found] == [6, 7, 8, 9, 10, 10]


def test_problem_found_later(write: Write) -> None:
    spec = load_spec(write(SMALL + "split: [layer1, layer7]\n"))

    (problem,) = spec.problem(("split", "points", 1), "there is no layer7.", "Choose.").problems
    assert (problem.dotted, problem.line, problem.column) == ("split[1]", 6, 17)
    assert problem.source == "split: [layer1, layer7]"
    (problem,) = spec.problem(("data", "noise"), "too loud.", "").problems
    assert (problem.dotted, problem.line, problem.column) == ("data.noise", 4, 1)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "none.yaml")

    assert render(caught.value) == (
        f"{tmp_path / 'none.yaml'}: there is no such file.\n  Check the path; it is relative to the current folder."
    )


def test_render() -> None:
    one = Problem(("a", 0), "wrong.", "Right it.", 3, 5, "x.yaml", "a: [b]")
    other = Problem((), "bad.", "", 4, 1, "x.yaml", "b")

    assert render(SpecError([one, other])) == (
        "x.yaml:3:5: a[0]: wrong.\n    a: [b]\n        ^\n  Right it.\n\nx.yaml:4:1: bad.\n    b\n    ^"
    )


@pytest.mark.parametrize(
    ("source", "column", "before"),
    [
        ("a:\tb", 4, "a:  "),
        ("a: 日本 b", 7, "a: 日本 "),
        ("a: e\u0301 b", 7, "a: e\u0301 "),
        ("a: \x1b b", 6, "a: \N{REPLACEMENT CHARACTER} "),
    ],
)
def test_caret_stands_under_its_character(source: str, column: int, before: str) -> None:
    _, shown, caret = render(SpecError([Problem((), "wrong.", "", 1, column, "x", source)])).split("\n")

    columns = {"日": 2, "本": 2, "\u0301": 0}
    assert shown == f"    {before}b"
    assert caret == " " * (4 + sum(columns.get(char, 1) for char in before)) + "^"


def test_long_lines_are_cut_around_the_caret() -> None:
    source = "x" * 5000 + "!" + "y" * 5000
    _, shown, caret = render(SpecError([Problem((), "wrong.", "", 1, 5001, "x", source)])).split("\n")

    assert len(shown) < 220
    assert shown[len(caret) - 1] == "!"


def test_loading_imports_nothing_heavy(write: Write) -> None:
    script = """
import sys
sys.path.insert(0, sys.argv[1])
import fakes
fakes.install()
from emopms.spec import load_spec
print(load_spec(sys.argv[2]).name)
print([name for name in ("torch", "numpy", "pymoo", "rich") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent), str(write(SMALL))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split("\n")[:2] == ["small", "[]"], done.stderr


fraction = st.floats(0, 1, exclude_min=True, exclude_max=True)
text = st.text(max_size=10).filter(lambda value: not UNPRINTABLE.search(value))
epochs = st.integers(0, 99)
target = st.builds(Target, macs=fraction, params=st.none() | fraction)
specs = st.builds(
    Spec,
    version=st.just(1),
    name=st.from_regex(r"[0-9e]{1,4}|[a-z][a-z0-9-]{0,9}(\.[a-z]+)?|no|null", fullmatch=True),
    seed=st.integers(0, 2**63 - 1),
    backbone=st.builds(fakes.Net, depth=st.just(4), weights=st.none() | text),
    data=st.builds(fakes.Blobs, noise=st.floats(allow_nan=False, allow_infinity=False), root=text),
    pretrain=st.builds(Training, epochs=epochs, lr=st.floats(1e-300, 1000)),
    split=st.builds(fakes.At, points=st.lists(text, max_size=3).map(tuple)),
    targets=st.lists(target, min_size=1, max_size=3, unique=True).map(tuple),
    finetune=st.builds(FinetuneSettings, epochs=epochs, alpha=st.floats(0, 1), distill=st.booleans()),
)


@given(specs)
@settings(max_examples=scaled(30))
def test_written_specs_are_read_back(spec: Spec) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "spec.yaml")
        path.write_text(spec.to_yaml(), encoding="utf-8")
        read = load_spec(path)

    assert read == spec
    assert read.to_yaml() == spec.to_yaml()


ODD_VALUES = [None, True, -1, 0, 1.5, 1e300, "", "no", "macs", [], [1], {}, {"name": "pt2"}, {"x": [1]}]


def mutate(data: Any, path: KeyPath, value: object, change: str) -> None:
    """Change plain data in place, at a path."""
    *steps, last = path
    for step in steps:
        data = data[step]
    if change == "delete":
        del data[last]
    elif change == "set" or isinstance(data, list):
        data[last] = value
    else:
        data[f"{last}_"] = value


@settings(max_examples=scaled(60))
@given(st.data(), st.sampled_from(ODD_VALUES), st.sampled_from(["set", "delete", "add"]))
def test_mutated_specs_are_valid_or_have_positioned_problems(draws: st.DataObject, value: object, change: str) -> None:
    data = Spec.model_validate(Document.parse(SMALL.encode(), file="").data).resolved()
    paths = [path for path in Document.parse(dump(data).encode(), file="").positions if path]
    mutate(data, draws.draw(st.sampled_from(paths)), value, change)
    with TemporaryDirectory() as folder:
        file = Path(folder, "spec.yaml")
        file.write_text(dump(data), encoding="utf-8")
        try:
            spec = load_spec(file)
        except SpecError as error:
            check_problems(error)
        else:
            assert spec.to_yaml()


def check_problems(error: SpecError) -> None:
    assert render(error)
    for problem in error.problems:
        assert problem.line is not None
        assert problem.column is not None
        assert 1 <= problem.column <= len(problem.source) + 1
        assert "Input should" not in problem.message


def test_one_override_or_several(write: Write) -> None:
    path = write(SMALL)
    assert load_spec(path, "seed=3") == load_spec(path, ["seed=3"]) == load_spec(path, ("seed=3",))


@pytest.mark.parametrize("overrides", [{"seed": 1}, [3], 3, None])
def test_overrides_that_are_no_texts_are_named(write: Write, overrides: Any) -> None:
    with pytest.raises(TypeError, match="expected overrides as texts, such as"):
        load_spec(write(SMALL), overrides)
