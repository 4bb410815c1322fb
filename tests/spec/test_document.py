from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emopms.errors import Problem, SpecError
from emopms.spec import document
from emopms.spec.document import MAX_BYTES, MAX_DEPTH, MAX_NODES, Document
from emopms.spec.scalars import UNPRINTABLE, dump


def parse(text: str | bytes) -> Document:
    content = text.encode() if isinstance(text, str) else text
    document = Document.parse(content, file="spec.yaml")
    if document.problems:
        raise SpecError(document.problems)
    return document


def problems(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        parse(text)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-17", -17),
        ("+3", 3),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        (".5", 0.5),
        ("1.", 1.0),
        ("-0.25", -0.25),
        ("00.5", 0.5),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("2024-01-31", "2024-01-31"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("0b11", "0b11"),
        ("layer1.0", "layer1.0"),
        ("=", "="),
        ("'012'", "012"),
        ('"1e-3"', "1e-3"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ("[1, [no, {b: 0.5}]]", [1, ["no", {"b": 0.5}]]),
    ],
)
def test_values(text: str, value: Any) -> None:
    read = parse(f"a: {text}").data["a"]

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("012", "octal"),
        ("-007", "octal"),
        (".nan", "not accepted"),
        (".inf", "not accepted"),
        ("-.Inf", "not accepted"),
        ("1e999", "too large"),
        ("9223372036854775808", "too large"),
        ("9" * 5000, "too large"),
        ("0x" + "f" * 5000, "too large"),
        ("!!int 3", "tags"),
        ("!!python/object/apply:os.system [ls]", "tags"),
        ("! x", "tags"),
        ('"\\ud800"', "unprintable"),
        ('"\\0"', "unprintable"),
        ('"\\UFFFFFFFF"', "not valid YAML"),
        ("*nowhere", "undefined alias"),
        ("[1, 2", "not valid YAML"),
        ("{<<: {b: 1}}", "merge keys"),
        ("{1: b}", "not text"),
        ("{null: b}", "not text"),
        ("{[b]: 1}", "a key cannot be"),
        ("&a [*a]", "nested"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    (problem,) = problems(f"ok: 1\na: {text}\n")

    assert words in problem.message
    assert problem.remedy
    assert problem.line == 2
    assert problem.column is not None
    assert problem.column >= 4
    assert problem.source.startswith("a: ")
    assert problem.file == "spec.yaml"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"# only a comment\n", "empty"),
        (b"---\n", "empty"),
        (b"- a\n", "this is a list"),
        (b"name:x\n", "this is a single value"),
        (b"a: 1\n---\nb: 1\n", "single document"),
        (b"a:\n\tb: 1\n", "tab"),
        (b"a: \xff\n", "UTF-8"),
        ("a: 1\n".encode("utf-16"), "binary"),
        (b"\x89PNG\x00", "binary"),
        (b"a: \x1b[31m\n", "unprintable"),
        (b"#" * (MAX_BYTES + 1), "1 MiB"),
        (b"a: " + b"[" * (MAX_DEPTH + 1), "nested"),
        (b"a: [" + b"1," * MAX_NODES + b"]", "values"),
        (b"%YAML 1." + b"1" * 5000 + b"\n---\na: 1\n", "not valid YAML"),
    ],
)
def test_files_refused(content: bytes, words: str) -> None:
    (problem,) = problems(content)

    assert words in problem.message
    assert problem.remedy


def test_alias() -> None:
    document = parse("a: &x [1, 2]\nb: *x\n")

    assert document.data == {"a": [1, 2], "b": [1, 2]}
    assert document.locate(("b", 1)) == (1, 11)
    assert document.locate(("b",), key=True) == (2, 1)


def test_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]
    start = time.perf_counter()

    assert "aliases" in problems("\n".join(lines))[0].message
    assert time.perf_counter() - start < 2


def test_equal_keys_name_both_lines() -> None:
    (problem,) = problems("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n")

    assert problem.message == "'c' is given twice, on lines 3 and 5."
    assert (problem.line, problem.column, problem.path) == (5, 3, ("b",))


def test_all_problems_at_once() -> None:
    assert [problem.line for problem in problems("a: 012\nb: .nan\na: 1\n2: x\n")] == [1, 2, 3, 4]


def test_positions() -> None:
    document = parse("# comment\na: 1\nb:\n  - c: [x,\n       y]\n  -   d\n")

    assert document.locate(()) == (2, 1)
    assert document.locate(("a",)) == (2, 4)
    assert document.locate(("a",), key=True) == (2, 1)
    assert document.locate(("b", 0, "c", 1)) == (5, 8)
    assert document.locate(("b", 1)) == (6, 7)


def test_absent_values_are_located_at_the_key_of_the_nearest_ancestor() -> None:
    document = parse("name: x\nb:\n  - c: 1\n")

    assert document.locate(("b", 0, "e", "f")) == (3, 5)
    assert document.locate(("b", 7)) == (2, 1)
    assert document.locate(("absent", "name")) == (1, 1)


def test_steps_that_the_file_leaves_out_are_skipped() -> None:
    document = parse("name: x\nsplit: [a, b]\nselector: probe\n")

    assert document.follow(("split", "points", 1)) == (("split", 1), ())
    assert document.follow(("selector", "name")) == (("selector",), ("name",))
    assert document.follow(("absent", "name")) == ((), ("absent", "name"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028"])
def test_lines_end_in_many_ways(end: str) -> None:
    problem = parse(f"a: 1{end}b: 2{end}").problem(("b",), "wrong")

    assert (problem.line, problem.column, problem.source) == (2, 4, "b: 2")


def test_byte_order_mark_is_no_column() -> None:
    assert parse(b"\xef\xbb\xbfa: 1").locate(("a",)) == (1, 4)


def test_missing_file(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "folder"), (Path("a\0b"), "read")):
        with pytest.raises(SpecError, match=words) as caught:
            Document.read(path)
        assert caught.value.problems[0].remedy
        assert caught.value.problems[0].file == str(path)


def check_only_spec_errors(content: bytes) -> None:
    try:
        document = parse(content)
    except SpecError as error:
        for problem in error.problems:
            assert problem.message
            assert problem.remedy
            if problem.line is not None and problem.column is not None:
                assert 1 <= problem.column <= len(problem.source) + 1
    else:
        for path in document.positions:
            document.problem(path, "wrong")


FRAGMENTS = "a|b: |- |[|]|{|}|,|\n|  |\t|&a |*a|!t |'|\"|#|%|? |: |---\n|<<: |1e3|.nan|\\U|é|\x85|\u2028|😀|012"


@given(st.lists(st.sampled_from([*FRAGMENTS.split("|"), "|\n"]), max_size=25).map("".join))
def test_random_yaml_raises_nothing_else(text: str) -> None:
    check_only_spec_errors(text.encode())


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_random_bytes_raise_nothing_else(content: bytes) -> None:
    check_only_spec_errors(content)


@pytest.mark.parametrize("unit", ["x ", "a: ", "[", "- ", "{a: ", "'x' ", "? ", "\n", "#\n", "&a ", '"\\n'])
def test_long_files_stay_fast(unit: str) -> None:
    start = time.perf_counter()

    check_only_spec_errors(b"a: " + unit.encode() * (100_000 // len(unit)))

    assert time.perf_counter() - start < 3


printable = st.text(max_size=30).filter(lambda text: not UNPRINTABLE.search(text))
words = printable | st.from_regex(r"[-+]?[0-9.]{1,4}(e[-+]?[0-9])?|0[xo][0-9a-f]|<<|=|[yYnN]|~|\.inf", fullmatch=True)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(words, values, min_size=1, max_size=5))
def test_dumped_data_are_read_back(data: dict[str, Any]) -> None:
    assert parse(dump(data)).data == data


def test_a_pipe_to_which_nobody_writes_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(document, "_PATIENCE", 0.05)
    os.mkfifo(tmp_path / "spec.yaml")
    with pytest.raises(SpecError, match="it is a pipe, and nobody writes to it"):
        Document.read(tmp_path / "spec.yaml")


def test_a_pipe_with_a_name_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "spec.yaml")
    writer = threading.Thread(target=(tmp_path / "spec.yaml").write_text, args=("name: mine\n",))
    writer.start()
    assert Document.read(tmp_path / "spec.yaml").data == {"name": "mine"}
    writer.join()


def test_a_pipe_of_the_shell_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_PATIENCE", 0.0)
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "w") as end:  # noqa: PTH123
            end.write("name: mine\n")

    with open(reading):  # noqa: PTH123
        later = threading.Timer(0.2, write)
        later.start()
        assert Document.read(Path(f"/dev/fd/{reading}")).data == {"name": "mine"}
        later.join()
