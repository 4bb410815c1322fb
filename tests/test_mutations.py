"""Shipped specs, changed at random: each is valid, or wrong at a place that the error names. Nothing else.

``EMOPMS_MUTATIONS`` sets how many changes of each spec are tried (``make nightly``); else the profile does.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from emopms import registry
from emopms.errors import SpecError
from emopms.spec import Spec, load_spec, render
from emopms.spec.scalars import dump
from tests.examples import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

SPECS = sorted((Path(__file__).parent.parent / "specs").glob("*.yaml"))
MUTATIONS = int(os.environ.get("EMOPMS_MUTATIONS", scaled(1000)))

SNIPPETS = (
    *"{}[]:,#&*!|>'\"%@`?-\t\n\r\\~=<",
    *(": ", "- ", "---", "...", "&a", "*a", "<<: ", "!!python/object/apply:os.system [id]", "!tag x", "%YAML 9.9\n"),
    *("null", "~", "yes", "no", "true", "1e-3", "1e999", "-1", "0", "0.0", "-0.5", "012", "0x1F", "1_000", "12:30:00"),
    *(
        ".nan",
        ".inf",
        "-.Inf",
        "9" * 30,
        "2026-01-01",
        '"',
        "''",
        '"\\x00"',
        '"\\UFFFFFFFF"',
        "é",
        "\u2028",
        "\ufeff",
        "\x07",
    ),
    *(
        "\nextends: spec.yaml\n",
        "\nextends: .\n",
        "\nextends: base.yaml\n",
        "\nextends: /dev/null\n",
        "\nplugins: [none.py]\n",
        "\nplugins: 3\n",
    ),
    *(
        "version",
        "name",
        "macs",
        "params",
        "targets",
        "{macs: 0.5}",
        "[[[]]]",
        "{a: {b: {c: 1}}}",
        "[" * 40,
        "{a: " * 40,
    ),
    *(name for slot in registry.SLOTS for name in registry.names(slot)),
    *Spec.model_fields,
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(SNIPPETS),
    st.text(max_size=8),
    st.lists(st.integers(0, 3) | st.sampled_from(SNIPPETS), max_size=3),
    st.dictionaries(
        st.sampled_from(["name", "epochs", "x"]), st.integers(0, 3) | st.sampled_from(SNIPPETS), max_size=2
    ),
)


def change_text(text: str, draw: st.DataObject) -> str:
    """Cut something out, and put something else, or a line from elsewhere, into its place."""
    start = draw.draw(st.integers(0, len(text)))
    end = start + draw.draw(st.sampled_from([0, 0, 1, 2, 5, 20, len(text)]))
    lines = text.splitlines(keepends=True) or [""]
    put = draw.draw(st.sampled_from(["", *SNIPPETS]) | st.sampled_from(lines) | st.text(max_size=3))
    return text[:start] + put + text[end:]


def change_tree(text: str, draw: st.DataObject) -> str:
    """Replace, remove, rename or add one value of the tree, if the text is one."""
    try:
        data = yaml.load(text, Loader=yaml.CSafeLoader)  # in C, for speed: emopms itself never uses it
    except (yaml.YAMLError, ValueError):
        return change_text(text, draw)
    places = list(_places(data))
    if not places:
        return change_text(text, draw)
    holder, key = draw.draw(st.sampled_from(places))
    what = draw.draw(st.sampled_from(["replace", "remove", "rename", "add", "repeat"]))
    if what == "remove":
        del holder[key]
    elif what == "rename" and isinstance(holder, dict):
        holder[draw.draw(st.sampled_from(SNIPPETS))] = holder.pop(key)
    elif what == "add" and isinstance(holder, dict):
        holder[draw.draw(st.sampled_from(SNIPPETS))] = draw.draw(VALUES)
    elif what == "repeat" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[key] = draw.draw(VALUES)
    write: Callable[[Any], str] = draw.draw(st.sampled_from([dump, _their_dump]))
    return write(data)


def _their_dump(data: Any) -> str:
    text: str = yaml.dump(data, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
    return text


def _places(data: Any) -> Any:
    """(mapping or list, key or index) of every value."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield data, key
        yield from _places(value)


def check(path: Path) -> bool:
    """Whether the spec is valid; if it is not, the error says where."""
    wrong: SpecError | None = None
    try:
        spec = load_spec(path)
    except SpecError as error:
        wrong = error
    if wrong is None:
        again = path.with_name("again.yaml")
        again.write_text(spec.to_yaml(), encoding="utf-8")
        assert load_spec(again) == spec
        return True
    assert wrong.problems
    for problem in wrong.problems:
        assert problem.file in (str(path), str(path.with_name("base.yaml")), "/dev/null")
        assert problem.message
        assert problem.message in render(wrong)
        if "binary" in problem.message:  # of the file as a whole
            continue
        assert problem.line is not None
        assert problem.column is not None
        text = Path(problem.file).read_bytes().decode("utf-8", errors="replace")
        assert 1 <= problem.line <= len(text.splitlines()) + 1
        assert 1 <= problem.column <= len(problem.source) + 1
    return False


@pytest.mark.slow
@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_changed_spec_is_valid_or_wrong_at_a_place(path: Path, tmp_path: Path) -> None:
    original, changed = path.read_text(encoding="utf-8"), tmp_path / "spec.yaml"
    (tmp_path / "base.yaml").write_text("backbone: {name: vgg_cifar}\nsplit: [stage1]\nschemes: 0\n", encoding="utf-8")
    outcomes = {True: 0, False: 0}

    @settings(max_examples=MUTATIONS)
    @given(st.data())
    def mutate(draw: st.DataObject) -> None:
        text = original
        for change in draw.draw(st.lists(st.sampled_from([change_text, change_tree]), min_size=1, max_size=3)):
            text = change(text, draw)
        changed.write_bytes(text.encode("utf-8", errors="surrogatepass"))
        outcomes[check(changed)] += 1

    mutate()
    assert outcomes[True] + outcomes[False] >= MUTATIONS
    assert outcomes[True] > MUTATIONS // 50, "hardly any change leaves a spec valid: the changes are too coarse"
    assert outcomes[False] > MUTATIONS // 4, "hardly any change breaks a spec: the changes are too fine"
