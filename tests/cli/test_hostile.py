"""Whatever is in a file or in an argument: a clean message, soon, in little memory, and exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import SMALL

Case = tuple[str, ...]

MIB = 2**20

FILES: dict[str, str | bytes] = {
    "empty": "",
    "comments": "# nothing\n# here\n",
    "tabs": "\tversion: 1\n",
    "tab": SMALL.replace("digits", "\tdigits"),
    "binary": bytes(range(256)) * 10,
    "null": SMALL + "seed: \0\n",
    "latin-1": (SMALL + "# é\n").encode("latin-1"),
    "utf-16": SMALL.encode("utf-16"),
    "large": b"junk: [1, {a: b}]\n" * (10 * MIB // 18),
    "large-line": b"x" * 10 * MIB,
    "mib-of-lists": b"x: [1, {a: b}]\n" * (MIB // 16),
    "mib-of-brackets": b"a: " + b"[" * (MIB - 10),
    "mib-of-text": SMALL.replace("digits", "d" * (MIB - 200)),
    "mib-of-key": SMALL + f'? "{"k" * (MIB - 200)}"\n: 1\n',
    "mib-of-base": SMALL + f"extends: {'d/' * (MIB // 2 - 100)}\n",
    "deep": "\n".join(" " * depth + "a:" for depth in range(1000)),
    "deep-flow": "a: " + "{a: " * 1000,
    "bomb": "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)),
    "circle": SMALL + "seed: &a [*a]\n",
    "many-keys": "".join(f"k{number}: 1\n" for number in range(4990)),
    "many-keys-over-many": "extends: many-keys.yaml\n" + "".join(f"j{number}: 1\n" for number in range(4990)),
    "many-items": SMALL + f"split: [{', '.join(['1'] * 9900)}]\n",
    "many-names": SMALL + f"objectives: [{', '.join(['mcs'] * 9900)}]\n",
    "many-targets": SMALL.replace("{macs: 0.5}", ", ".join(f"{{mcs: 0.{number}}}" for number in range(3000))),
    "duplicate": SMALL + "name: again\n",
    "tag": SMALL + "seed: !!python/object/apply:os.system [ls]\n",
    "not-a-number": SMALL.replace("0.5", ".nan"),
    "infinite": SMALL.replace("0.5", "-.inf"),
    "huge": SMALL + f"seed: {'9' * 100_000}\n",
    "huge-float": SMALL.replace("0.5", "1e99999"),
    "negative": SMALL + "schemes: -1\n",
    "float": SMALL + "seed: 1e-3\n",
    "no": SMALL + "finetune: {distill: no}\n",
    "date": SMALL + "seed: 2024-01-31\n",
    "name-empty": SMALL.replace("small\n", '""\n'),
    "name-up": SMALL.replace("small\n", "..\n"),
    "extends-itself": "extends: extends-itself.yaml\n",
    "extends-each-1": "extends: extends-each-2.yaml\n",
    "extends-each-2": "extends: extends-each-1.yaml\n",
    "extends-folder": SMALL + "extends: .\n",
    "extends-zero": SMALL + "extends: /dev/zero/\n",
    "extends-nothing": SMALL + 'extends: ""\n',
    "extends-link": SMALL + "extends: link\n",
    "plugins-nothing": SMALL + 'plugins: [""]\n',
    "plugins-folder": SMALL + "plugins: [.]\n",
    "plugins-zero": SMALL + "plugins: [/dev/zero]\n",
    "plugins-link": SMALL + "plugins: [link]\n",
    "plugins-number": SMALL + "plugins: [1]\n",
    "plugins-pipe": SMALL + "plugins: [/dev/stdin]\n",
}

PLUGINS: dict[str, str | bytes] = {
    "raises": "raise RuntimeError('no')\n",
    "exits": "import sys\nsys.exit()\n",
    "leaves": "class Leave(BaseException): pass\nraise Leave\n",
    "recurses": "def f(): f()\nf()\n",
    "eats": "x = bytearray(2**40)\n",
    "binary": bytes(range(256)) * 10,
    "large": b"x = 1\n" * (10 * MIB // 6),
    "mib-of-brackets": b"(" * MIB,
    "mib-of-signs": b"-" * (MIB - 1) + b"1",
    "empty": "",
    "odd-slot": "from emopms.api import Cost\nclass A(Cost):\n    name: str = 'a'\n    slot = ['x']\n",
}

SETTINGS = [
    *("", "=", "seed", "=1", ".=1", "a..b=1", "0=1", "seed=", "seed=[", "seed=*a", "seed=!!int 1", "seed=\t1"),
    *("seed=\x1b", "seed=\udcff", "seed=1\n---\n1", "\n=1", "seed=" + "[" * 60_000, "seed=" + "9" * 60_000),
    *("targets[99999999999999999999]=1", "targets[" + "9" * 60_000 + "].macs=1", "targets." + "9" * 60_000 + "=1"),
    *("a" + ".b" * 30_000 + "=1", "extends=x", "name=..", "name=", 'plugins=[""]', "plugins=[/dev/zero]", "é=1"),
]

OTHERS: list[Case] = [
    ("validate", ""),
    ("validate", "."),
    ("validate", "none.yaml"),
    ("validate", "/dev/zero"),
    ("validate", "link"),
    ("validate", "x" * 5000),
    ("validate", "\udcff"),
    ("schema", "--plugins", "/dev/zero"),
    ("plugins", "objective/" + "x" * 5000),
    ("new", "objective", "x" * 5000),
    ("new", "objective", "../x"),
    ("new", "objective", "x", "--into", "/proc"),
    ("run", "extends-itself.yaml"),
    ("plan", "extends-itself.yaml"),
]


@pytest.mark.slow
def test_every_one_is_refused_cleanly(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    (tmp_path / "small.yaml").write_text(SMALL)
    cases = [*OTHERS, *(("validate", "small.yaml", "--set", setting) for setting in SETTINGS)]
    plugins = {f"plugin-{name}": content for name, content in PLUGINS.items()}
    for name, content in plugins.items():
        _write(tmp_path / f"{name}.py", content)
    specs = FILES | {name: SMALL + f"plugins: [{name}.py]\nalgorithm: {{name: mine, x: 1}}\n" for name in plugins}
    for name, content in specs.items():
        _write(tmp_path / f"{name}.yaml", content)
        cases.append(("validate", f"{name}.yaml"))

    wrong = {}
    for case, (code, output) in zip(cases, _run(cases, tmp_path), strict=True):
        if code != 2 or "Traceback" in output or not 20 < len(output) < 100_000:
            wrong[" ".join(case)[:100]] = (code, output[-500:])
    assert not wrong


def _write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def _run(cases: list[Case], folder: Path) -> list[tuple[int, str]]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("limited.py"))],
        cwd=folder,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    answers: list[tuple[int, str]] = json.loads(done.stdout)
    return answers


def test_the_real_command_says_so_too(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SMALL + "seed: [1\n")
    command = [sys.executable, "-m", "emopms", "validate", "spec.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("spec.yaml:")
