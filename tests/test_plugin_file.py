"""Components in Python files: run as they are, once for each content, and never a surprise."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emopms import registry
from emopms.errors import PluginError
from emopms.plugin_file import MAX_BYTES, components_in, hash_of, reason

if TYPE_CHECKING:
    from collections.abc import Callable

    WriteFile = Callable[..., Path]

HEAD = "from typing import Literal\nfrom emopms.api import Ranker, Split\n"


def ranker(name: str, *, base: str = "Ranker", label: str = "") -> str:
    return (
        f"class {name.capitalize()}{label}({base}):\n"
        f"    name: Literal[{name!r}] = {name!r}\n"
        f"    def join(self, fronts): raise NotImplementedError\n"
    )


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    def write_file(content: str | bytes, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def failure(path: Path) -> str:
    with pytest.raises(PluginError) as caught:
        components_in(path)
    assert caught.value.remedy
    return caught.value.message


def test_components_by_slot_and_name(write: WriteFile) -> None:
    split = "class Here(Split):\n    name: Literal['one'] = 'one'\n    def find(self, network, example): return []\n"
    path = write(HEAD + ranker("one") + ranker("two") + split)
    found = components_in(path)
    assert sorted(found) == [("ranker", "one"), ("ranker", "two"), ("split", "one")]
    assert found["split", "one"]().name == "one"


def test_only_what_the_file_itself_defines_counts(write: WriteFile) -> None:
    source = (
        HEAD
        + "from emopms.builtin.ranker.greedy import Greedy\n"
        + "class Base(Ranker):\n    depth: int = 1\n"
        + ranker("mine", base="Base")
        + "class Helper:\n    slot = ['x']\nclass Other:\n    slot = 'ranker'\nAlias = Mine\nslot = 3\n"
    )
    assert list(components_in(write(source))) == [("ranker", "mine")]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import sys\n\nsys.exit()\n", ":3 cannot be imported: SystemExit"),
        ("raise SystemExit(3)\n", ":1 cannot be imported: SystemExit: 3"),
        ("def f():\n    1 / 0\nf()\n", ":2 cannot be imported: ZeroDivisionError: division by zero"),
        ("import json\njson.loads('{')\n", ":2 cannot be imported: JSONDecodeError: "),
        ("import not_there\n", ":1 cannot be imported: ModuleNotFoundError: No module named 'not_there'"),
        ("x = (\n\n", ":1 cannot be imported: SyntaxError: "),
        ("class A(BaseException): pass\nraise A('a\\n  b')\n", ":2 cannot be imported: A: a b"),
        ("class A(Exception):\n    def __str__(self): 1 / 0\nraise A\n", ":3 cannot be imported: A"),
        ("raise ValueError('x' * 10**6)\n", ":1 cannot be imported: ValueError: xxx"),
        ("def f(): f()\nf()\n", ":1 cannot be imported: RecursionError: "),
        ("bytearray(2**62)\n", ":1 cannot be imported: "),
        (b"\x89PNG\x00\x00", " cannot be imported: "),
        (b"\xff\xfe\xfd", ":1 cannot be imported: SyntaxError: "),
        (b"(" * 10**5, ":1 cannot be imported: SyntaxError: too many nested parentheses"),
        (b"-" * 10**5 + b"1", " cannot be imported: "),
        ("", " defines no component."),
        ("x = 1\n", " defines no component."),
        (HEAD + ranker("a") + ranker("a", label="Again"), " defines the ranker 'a' twice."),
    ],
)
def test_failures_name_the_file_the_line_and_what_happened(write: WriteFile, source: str | bytes, said: str) -> None:
    path = write(source)
    modules = set(sys.modules)
    message = failure(path)
    assert message.startswith(f"{path}{said}")
    assert len(message) < 1000
    assert "\n" not in message
    assert not [name for name in set(sys.modules) - modules if name.startswith("mine_") and "defines" not in said]


def test_what_is_no_readable_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "loop.py").symlink_to("loop.py")
    for path in (tmp_path, Path("/dev/zero"), tmp_path / "pipe.py"):
        assert "is not a file" in failure(path)
    for path in (tmp_path / "none.py", tmp_path / "loop.py", tmp_path / "none" / "x.py", Path("a\0b"), Path("x" * 999)):
        assert "cannot be read" in failure(path)


def test_what_is_too_large_is_not_run(write: WriteFile) -> None:
    assert "larger than 1 MiB" in failure(write(b"raise SystemExit\n" + b"#" * MAX_BYTES))


def test_an_interrupt_is_no_failure_of_the_file(write: WriteFile) -> None:
    with pytest.raises(KeyboardInterrupt):
        components_in(write("raise KeyboardInterrupt\n"))


def test_a_file_is_run_once_for_each_content(write: WriteFile, tmp_path: Path) -> None:
    source = (
        HEAD + ranker("mine") + "from pathlib import Path\nwith Path(__file__ + '.log').open('a') as f: f.write('x')\n"
    )
    path = write(source)
    first = components_in(path)["ranker", "mine"]
    assert components_in(path)["ranker", "mine"] is first
    write(source + "# edited\n")
    second = components_in(path)["ranker", "mine"]
    assert second is not first
    write(source)
    assert components_in(path)["ranker", "mine"] is first
    assert (tmp_path / "mine.py.log").read_text() == "xx"


def test_equal_files_in_two_places_are_two_modules(write: WriteFile, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    one, other = (components_in(write(HEAD + ranker("mine"), name)) for name in ("mine.py", "inner/mine.py"))
    assert one["ranker", "mine"] is not other["ranker", "mine"]


def test_a_file_that_failed_is_tried_again(write: WriteFile, tmp_path: Path) -> None:
    path = write(HEAD + "from pathlib import Path\n(Path(__file__).parent / 'there').read_text()\n" + ranker("mine"))
    failure(path)
    (tmp_path / "there").touch()
    assert list(components_in(path)) == [("ranker", "mine")]


def test_nothing_is_written_beside_the_file(write: WriteFile, tmp_path: Path) -> None:
    code = "import sys, pathlib, emopms.plugin_file as it; it.components_in(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(write(HEAD + ranker("mine")))], check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_components_can_be_pickled_and_refer_to_their_own_module(write: WriteFile) -> None:
    source = (
        HEAD + "class Inner(Ranker.__mro__[2]):\n    depth: int = 1\n" + ranker("mine") + "    inner: Inner = Inner()\n"
    )
    component = components_in(write("from __future__ import annotations\n" + source))["ranker", "mine"]
    made = component.model_validate({"inner": {"depth": 3}})
    assert pickle.loads(pickle.dumps(made)) == made


def test_the_module_knows_its_content_even_when_the_file_has_changed(write: WriteFile) -> None:
    component = components_in(write(HEAD + ranker("mine")))["ranker", "mine"]
    before = hash_of(sys.modules[component.__module__])
    edited = components_in(write(HEAD + ranker("mine") + "#\n"))["ranker", "mine"]
    assert before is not None
    assert before == hash_of(sys.modules[component.__module__])
    assert before != hash_of(sys.modules[edited.__module__])
    assert hash_of(registry) is None


def test_a_file_name_makes_nobody_a_part_of_emopms(write: WriteFile) -> None:
    component = components_in(write(HEAD + ranker("mine"), "emopms.builtin.mine.py"))["ranker", "mine"]
    assert not component.__module__.startswith("emopms.")


def test_reasons_fit_on_a_line() -> None:
    assert reason(ValueError("a\n  b")) == "ValueError: a b"
    assert reason(ValueError()) == "ValueError"
    assert len(reason(ValueError("x" * 10**6))) < 600
