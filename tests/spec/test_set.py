"""``--set``: settings that come on top of a spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emopms.errors import SpecError
from emopms.spec import Target, load_spec, render

from . import fakes
from .test_compose import BASE, refused

if TYPE_CHECKING:
    from .conftest import Write


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("seed=4", "seed", 4),
        (" seed = 4", "seed", 4),
        ("name=other", "name", "other"),
        ("split=[a]", "split", fakes.At(points=("a",))),
        ("split[1]=a", "split", fakes.At(points=("layer1", "a"))),
        ("split.name=at", "split", fakes.At(points=("layer1", "layer2"))),
        ("split.points=[]", "split", fakes.At()),
        ("split=at", "split", fakes.At()),
        ("targets[1].macs=0.75", "targets", (Target(macs=0.5), Target(macs=0.75))),
        ("targets.1.macs=0.75", "targets", (Target(macs=0.5), Target(macs=0.75))),
        ("targets[0].params=0.75", "targets", (Target(macs=0.5, params=0.75), Target(macs=0.25))),
        ("targets[0]={params: 0.75}", "targets", (Target(macs=0.5, params=0.75), Target(macs=0.25))),
        ("targets=[{params: 0.5}]", "targets", (Target(params=0.5),)),
        ("data.noise=1e-3", "data", fakes.Blobs(noise=1e-3)),
        ("data=blobs", "data", fakes.Blobs()),
        ("data.root=no", "data", fakes.Blobs(noise=0.5, root="no")),
        ("data.root==", "data", fakes.Blobs(noise=0.5, root="=")),
        ("data.root='a=b'", "data", fakes.Blobs(noise=0.5, root="a=b")),
        ("data.root=|-\n a\n b", "data", fakes.Blobs(noise=0.5, root="a\nb")),
        ("algorithm.generations=3", "algorithm", fakes.Nsga2(generations=3)),
        ("backbone.head.width=3", "backbone", fakes.Net(depth=8, head=fakes.Head(width=3))),
        ("backbone.weights=x", "backbone", fakes.Net(depth=8, weights="x")),
        ("backbone.weights=", "backbone", fakes.Net(depth=8, weights=None)),
    ],
)
def test_set(write: Write, override: str, key: str, value: Any) -> None:
    spec = load_spec(write(BASE), [override])
    assert getattr(spec, key) == value


def test_later_settings_win_and_build_on_earlier_ones(write: Write) -> None:
    overrides = ["objectives=[macs, capability]", "objectives[0].name=macs", "seed=3", "seed=4", "targets=[{macs: 1}]"]
    spec = load_spec(write(BASE), [*overrides, "targets[0].macs=0.5"])
    assert (spec.seed, spec.targets) == (4, (Target(macs=0.5),))
    assert spec.objectives == (fakes.Macs(), fakes.Capability())


def test_settings_come_over_the_base_too(write: Write) -> None:
    write(BASE, name="base.yaml")
    spec = load_spec(write("extends: base.yaml\npretrain: {lr: 0.5}\n"), ["pretrain.epochs=9"])
    assert (spec.pretrain.epochs, spec.pretrain.lr) == (9, 0.5)


@pytest.mark.parametrize(
    ("override", "words", "at"),
    [
        ("", "expected path.to.key=value", ""),
        ("seed", "expected path.to.key=value", "seed"),
        ("=3", "expected path.to.key=value", "=3"),
        ("a..b=3", "expected path.to.key=value", "a..b=3"),
        ("0=3", "expected path.to.key=value", "0=3"),
        ("\nseed=3", "expected path.to.key=value", ""),
        ("targets[-1].macs=1", "expected path.to.key=value", "targets[-1].macs=1"),
        ("targets[" + "9" * 5000 + "]=1", "expected path.to.key=value", "targets[9999"),
        ("targets." + "9" * 5000 + "=1", "expected a list, got a mapping", "targets.9999"),
        ("targets[2].macs=1", "targets has 2 item(s); there is no item 2", "targets[2].macs=1"),
        ("targets[999999999]=1", "there is no item 999999999", "targets[999999999]=1"),
        ("seed[0]=1", "seed is not a list in the spec", "seed[0]=1"),
        ("objectives[0]=macs", "objectives is not a list in the spec", "objectives[0]=macs"),
        ("extends=base.yaml", "extends can only be set in a file", "extends=base.yaml"),
        ("seed=x", "expected a whole number, got the text 'x'", "x"),
        ("seed=", "expected a whole number, got nothing", ""),
        ("seed.x=1", "expected a whole number, got a mapping", "seed.x=1"),
        ("sead=1", "there is no such key", "sead=1"),
        ("backbone.dpeth=2", "there is no such key", "backbone.dpeth=2"),
        ("backbone.depth=3", "depth must be even", "3"),
        ("split[1]=3", "expected text, got the number 3", "3"),
        ("targets[1].macs=3", "expected at most 1, got the number 3", "3"),
        ("seed=[", "not valid YAML", ""),
        ("seed={a: 1", "not valid YAML", "{a: 1"),
        ("seed=*a", "undefined alias", "*a"),
        ("seed=!!int 3", "tags", "!!int 3"),
        ("seed=012", "octal", "012"),
        ("seed=.nan", "not accepted", ".nan"),
        ("seed=\t3", "tab", "\t3"),
        ("seed=\x1b[31m", "unprintable", "\x1b[31m"),
        ("seed=\udcff", "unprintable", "\udcff"),
        ("seed=" + "[" * 100, "nested", "["),
        ("a" + ".b" * 100 + "=1", "nested", "1"),
        ("seed=1\n---\n2", "single document", "---"),
    ],
)
def test_settings_refused(write: Write, override: str, words: str, at: str) -> None:
    problem = refused(write(BASE), override)
    assert words in problem.message
    assert problem.file == "--set"
    assert problem.column is not None
    assert problem.source[problem.column - 1 :].startswith(at)


def test_problems_of_the_file_and_of_settings_show_where_they_are(write: Write) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(write(BASE + "schemes: x\n"), ["seed=x", "pretrain.lr=y"])
    shown = [(Path(problem.file).name, problem.source) for problem in caught.value.problems]
    assert shown == [("spec.yaml", "schemes: x"), ("--set", "seed=x"), ("--set", "pretrain.lr=y")]


STEPS = ["seed", "split", "targets", "data", "name", "points", "[0]", "[1]", ".", "=", "é", "9", "plugins", "extends"]
VALUES = [
    "",
    " ",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "a",
    "&a",
    "*a",
    "!",
    "'",
    '"',
    "\\",
    "\n",
    "\t",
    "#",
    "-",
    "?",
    "\x85",
]


@given(
    st.lists(st.sampled_from(STEPS), max_size=5), st.lists(st.sampled_from(VALUES) | st.text(max_size=3), max_size=6)
)
def test_random_settings_are_valid_or_have_a_place(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], values: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "random-settings.yaml"
    path.write_text(BASE, encoding="utf-8")
    try:
        load_spec(path, [f"{''.join(steps)}={''.join(values)}"])
    except SpecError as error:
        found = error
    else:
        return
    assert render(found)
    for problem in found.problems:
        assert problem.remedy
        assert problem.column is not None
        assert 1 <= problem.column <= len(problem.source) + 1
