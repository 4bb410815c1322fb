from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NOTE = (
    "Data, weights and split points are not checked here: `emopms plan` checks them. Images are decoded by "
    "`emopms run`, before it trains.\n"
)

BUILT_INS = """
from emopms import registry
for slot in registry.SLOTS:
    for name in registry.names(slot):
        if any(point.module_name.startswith("emopms.") for point in registry._entry_points(slot)[name]):
            registry.find(slot, name)
assert sum(name.startswith("emopms.builtin.") for name in sys.modules) > 20
"""


@pytest.mark.parametrize(
    "code",
    ["import emopms", "import emopms.api", "import emopms.cli.main", "import emopms.spec", BUILT_INS],
    ids=["emopms", "api", "cli", "spec", "built-in components"],
)
def test_no_torch_and_no_pymoo(code: str) -> None:
    heavy = "{'torch', 'pymoo', 'moocore', 'scipy', 'sklearn'} & set(sys.modules)"
    code = f"import sys\n{code}\nsys.exit(', '.join({heavy}) or None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_validating_a_spec_imports_neither_torch_nor_pymoo() -> None:
    spec = Path(__file__).parent.parent / "specs" / "quickstart.yaml"
    command = [sys.executable, "-X", "importtime", "-m", "emopms", "validate", str(spec)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{spec}: valid\n{NOTE}")
    imported = {line.split("|")[-1].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert {"emopms", "pydantic", "yaml"} <= imported
    assert not imported & {"torch", "pymoo", "moocore", "scipy", "sklearn", "numpy", "rich", "loguru"}


def test_listing_and_cleaning_runs_import_neither_torch_nor_numpy(tmp_path: Path) -> None:
    (tmp_path / "run" / "store" / "stage" / "key").mkdir(parents=True)
    for words in (["runs"], ["runs", "clean", "--yes"]):
        command = [sys.executable, "-X", "importtime", "-m", "emopms", *words, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0
        imported = {line.split("|")[-1].strip().partition(".")[0] for line in done.stderr.splitlines()}
        assert {"emopms", "rich"} <= imported
        assert not imported & {"torch", "pymoo", "moocore", "scipy", "sklearn", "numpy", "pydantic"}


def test_public_names_load_when_used_and_unknown_ones_do_not() -> None:
    import emopms

    assert all(getattr(emopms, name) is not None for name in emopms.__all__)
    assert dir(emopms) == sorted(emopms.__all__)
    with pytest.raises(AttributeError, match="no attribute 'trim'"):
        _ = emopms.trim
