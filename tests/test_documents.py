"""Every code block of every page runs, and what pages link to and name exists.

Blocks of a page run in order, in one folder that holds ``specs/`` and ``docs/``, and Python blocks share their
variables. A first line ``# some/file.yaml`` or ``# file.py`` says that the block is that file; other YAML blocks are
whole specs, or parts of one. Blocks ``sh installs`` want the network: ``make test-install`` runs them in a fresh clone.
"""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from filelock import FileLock

import emopms
import emopms.api
from emopms.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    page
    for page in (
        ROOT / "README.md",
        *sorted(ROOT.glob("*.md")),
        *sorted(ROOT.glob("docs/**/*.md")),
        *sorted(ROOT.glob("plugins/**/*.md")),
    )
    if not {"site-packages", "_build"} & set(page.parts)
]
PAGES = list(dict.fromkeys(PAGES))
INSTALLS = "EMOPMS_TEST_INSTALL"

BASE = """\
version: 1
name: base
backbone: small_resnet
data: digits
targets: [{macs: 0.5}]
"""


class Block(NamedTuple):
    line: int
    kind: str
    """Its language and what follows it, such as ``sh installs``."""
    code: str

    @property
    def file(self) -> str | None:
        named = re.match(r"# ([\w./-]+\.(?:py|yaml))\n", self.code)
        return named[1] if named else None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(.*)\n((?:.*\n)*?)^```$", text, flags=re.MULTILINE)
    return [Block(text[: block.start()].count("\n") + 1, block[1], block[2]) for block in found]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in blocks(page):
        known = ("python", "yaml", "sh", "sh installs", "toml", "text", "{eval-rst}")  # the last one: see `make site`
        assert block.kind in known, f"{page}:{block.line}"


def prose(page: Path) -> str:
    """The text of a page without its code blocks."""
    return re.sub(r"^```.*\n(?:.*\n)*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)) for heading in headings]
    return {text.strip().lower().replace(" ", "-") for text in words}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        assert not anchor or anchor in anchors(target), f"{name_of(page)} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    for path, test in re.findall(r"`(tests/[^`:<]*)(?:::([^`]*))?`", prose(page)):
        assert (ROOT / path).exists(), f"{name_of(page)} names {path}"
        if test:
            source = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"^ *def {test}\(", source, flags=re.MULTILINE), f"{name_of(page)} names {path}::{test}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_that_a_page_names_exists(page: Path) -> None:
    """Paths start from the repository, from the package or its engine, or from the page's own folder."""
    roots = (ROOT, ROOT / "emopms", ROOT / "emopms" / "engine", page.parent)
    for path in re.findall(r"`((?:[\w-]+/)+(?:[\w-]+\.\w+)?)`", prose(page)):
        if path.endswith(".py") or path.split("/")[0] in ("emopms", "engine", "network", "builtin"):
            assert any((root / path).exists() for root in roots), f"{name_of(page)} names {path}"


@pytest.fixture
def quickstart(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Pages share the pre-trained network of the quickstart, which many of them run."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "quickstart"
    store = tmp_path / "runs" / "quickstart" / "store"
    with FileLock(f"{shared}.lock"):
        if shared.exists():
            shutil.copytree(shared, store)
    yield
    with FileLock(f"{shared}.lock"):
        for made in store.glob("pretrain/*"):
            if (made / "meta.json").exists() and not (shared / "pretrain" / made.name).exists():
                shutil.copytree(made, shared / "pretrain" / made.name)


@pytest.mark.slow
@pytest.mark.usefixtures("quickstart")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name_of)
def test_every_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for shared in ("specs", "docs"):
        (tmp_path / shared).symlink_to(ROOT / shared)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.delenv("EMOPMS_DATA", raising=False)
    conftest = page.parent / "tests" / "conftest.py"
    prepared = runpy.run_path(str(conftest)) if conftest.exists() else {}  # what a plugin's own tests need, too
    variables: dict[str, object] = {"__name__": "__main__", "prepared": prepared}
    for block in blocks(page):
        at = f"{page}:{block.line}"
        if block.file:
            Path(block.file).write_text(block.code, encoding="utf-8")
        if block.kind == "yaml":
            check_yaml(block, tmp_path)
        elif block.kind == "python" and not block.file:
            exec(compile("\n" * block.line + block.code, str(page), "exec"), variables)
        elif block.kind == "sh":
            done = subprocess.run(["bash", "-euc", block.code], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{at}: {done.stdout}\n{done.stderr}"


def check_yaml(block: Block, folder: Path) -> None:
    if block.file:
        load_spec(folder / block.file)
        return
    path = folder / f"block-{block.line}.yaml"
    if re.search("^targets:", block.code, flags=re.MULTILINE) or "extends:" in block.code:
        path.write_text(block.code, encoding="utf-8")
    else:
        (folder / "base-of-blocks.yaml").write_text(BASE, encoding="utf-8")
        path.write_text(f"extends: base-of-blocks.yaml\n{block.code}", encoding="utf-8")
    load_spec(path)


@pytest.mark.skipif(INSTALLS not in os.environ, reason="needs the network: make test-install")
def test_installation_as_the_pages_say(tmp_path: Path) -> None:
    clone = tmp_path / "emopms"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    variables = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS")
    }
    variables["PATH"] = os.pathsep.join([str(clone / ".venv" / "bin"), *_without_our_own(variables["PATH"])])
    for page in PAGES:
        for block in blocks(page):
            if block.kind == "sh installs":
                code = re.sub("^make test.*$", "", block.code, flags=re.MULTILINE)  # which is what runs this
                subprocess.run(["bash", "-euxc", code], cwd=clone, env=variables, check=True)
    shutil.rmtree(clone)


def _without_our_own(path: str) -> list[str]:
    return [folder for folder in path.split(os.pathsep) if not (Path(folder).parent / "pyvenv.cfg").exists()]


def test_generated_files_are_up_to_date() -> None:
    generated: dict[Path, str] = runpy.run_path(str(ROOT / "docs" / "generate.py"))["generated"]()
    stale = [name_of(path) for path, text in generated.items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run `make docs`"


def test_the_python_reference_shows_every_public_name() -> None:
    public = {*emopms.__all__, *emopms.api.__all__} - {"__version__"}
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert public <= set(re.findall(r"^\.\. auto\w+:: (\w+)", text, flags=re.MULTILINE))


def test_an_example_of_an_error_is_what_the_command_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (script,) = [
        block.code for block in blocks(ROOT / "docs" / "spec.md") if "wrong.yaml" in block.code and block.kind == "sh"
    ]
    (shown,) = [block.code for block in blocks(ROOT / "docs" / "spec.md") if block.kind == "text"]
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, check=True)
    assert (tmp_path / "problems.txt").read_text(encoding="utf-8") == shown


@pytest.mark.slow
def test_documented_objectives_have_types(tmp_path: Path) -> None:
    files = [
        block for block in blocks(ROOT / "docs" / "plugins.md") if block.file in ("my_objectives.py", "my_memory.py")
    ]
    for block in files:
        (tmp_path / str(block.file)).write_text(block.code)
    assert len(files) == 2
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file",
        os.devnull,
        "--follow-imports=silent",
        *(str(block.file) for block in files),
    ]
    # Type checkers do not follow the import hook of an editable installation.
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout
