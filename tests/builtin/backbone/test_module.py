from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from pydantic import ValidationError

from emopms.builtin.backbone.module import Module
from emopms.errors import EmopmsError, NetworkError, PluginError
from tests.builtin.backbone import factories

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

HERE = "tests.builtin.backbone.factories"


def _build(factory: str, **args: object) -> nn.Module:
    backbone = Module.model_validate({"factory": factory, "args": args})
    return backbone.build(input_shape=(3, 8, 8), classes=5)


def test_the_factory_gets_the_arguments_and_nothing_else() -> None:
    factories.CALLS.clear()
    backbone = Module(factory=f"{HERE}:two_convolutions", args={"widths": [3, 4], "classes": 7})
    for _ in range(2):  # a factory that changes its arguments changes no settings
        network = backbone.build(input_shape=(1, 2, 2), classes=100)
        assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 7)
    assert factories.CALLS == [{"widths": [3, 4], "classes": 7}] * 2


def test_a_network_handed_out_twice_is_not_shared() -> None:
    first, second = _build(f"{HERE}:Holder.make"), _build(f"{HERE}:Holder.make")
    first.get_parameter("0.weight").data.zero_()
    assert second.get_parameter("0.weight").any()
    assert factories.Holder.make().get_parameter("0.weight").any()


@pytest.mark.parametrize("factory", ["make", "my nets:make", "nets:", ":make", "nets:make()", "a..b:make", "a:b:c"])
def test_what_names_no_function_is_refused(factory: str) -> None:
    with pytest.raises(ValidationError, match="Write the module, a colon and the function in it"):
        Module(factory=factory)


@pytest.mark.parametrize(
    ("factory", "kind", "message", "remedy"),
    [
        ("no_such_package.nets:make", PluginError, "'no_such_package.nets' is not installed", "`PYTHONPATH=. emopms"),
        (f"{HERE}.more:make", PluginError, "is not installed", "PYTHONPATH"),
        (f"{HERE}:two_convolution", PluginError, "has no 'two_convolution'", "Did you mean 'two_convolutions'"),
        (f"{HERE}:Holder.mak", PluginError, "has no 'mak'", "Did you mean 'make'"),
        (f"{HERE}:NUMBER", PluginError, "it is a int", "returns a torch.nn.Module"),
        (f"{HERE}:fails", NetworkError, "fails() failed: OSError: the disk is full", "Repair"),
        (f"{HERE}:two_convolutions", NetworkError, "missing 1 required positional argument: 'widths'", "`args`"),
        (f"{HERE}:returns_a_list", NetworkError, "returns_a_list() gave a list", "torch.nn.Module"),
    ],
)
def test_factories_that_make_no_network(factory: str, kind: type[EmopmsError], message: str, remedy: str) -> None:
    with pytest.raises(kind) as caught:
        _build(factory)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_dependency", "cannot be imported: ModuleNotFoundError: No module named 'no_such_dependency'"),
        ("raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
        ("def make(:", "cannot be imported: SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_nets.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError) as caught:
        _build("broken_nets:make")
    assert message in caught.value.message


def test_reading_a_spec_does_not_import_the_factory() -> None:
    code = f"""
import sys
from emopms.builtin.backbone.module import Module
hash(Module(factory="{HERE}:two_convolutions", args={{"widths": [1, 2]}}))
sys.exit("{HERE}" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_edited_factory_has_another_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the function is defined that a package hands on."""
    package = tmp_path / "handing_on"
    package.mkdir()
    (package / "__init__.py").write_text("from handing_on.nets import make")
    (package / "nets.py").write_text("from torch import nn\ndef make(): return nn.ReLU()")
    monkeypatch.syspath_prepend(tmp_path)
    backbone = Module(factory="handing_on:make")
    before = backbone.fingerprint()
    assert backbone.fingerprint() == before
    (package / "nets.py").write_text("from torch import nn\ndef make(): return nn.SiLU()")
    assert backbone.fingerprint() != before


FILES = {
    "nets_of_mine/__init__.py": "",
    "nets_of_mine/make.py": "from .parts import block\nfrom nets_of_mine import deep\ndef make():\n"
    "    import helpers_of_mine\n    return block()",
    "nets_of_mine/parts.py": "from torch import nn\nfrom . import constants as c\ndef block(): return nn.ReLU()",
    "nets_of_mine/constants.py": "WIDTH = 3",
    "nets_of_mine/deep/__init__.py": "from .inner import *",
    "nets_of_mine/deep/inner.py": "DEPTH = 3",
    "nets_of_mine/training.py": "import torch",
    "helpers_of_mine.py": "import tools_of_mine.activation",
    "tools_of_mine/activation.py": "SLOPE = 0.1",
    "unrelated.py": "",
}
READ = [name for name in FILES if name not in ("nets_of_mine/training.py", "unrelated.py")]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("installed", [False, True])
def test_the_fingerprint_follows_what_the_factory_imports(
    name: str, installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what lies beside it; among installed packages, of its own package only."""
    root = tmp_path / "site-packages" if installed else tmp_path / "mine"
    for path, content in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    monkeypatch.syspath_prepend(root)
    for module in [module for module in sys.modules if module.endswith("_of_mine") or "_of_mine." in module]:
        monkeypatch.delitem(sys.modules, module)
    backbone = Module(factory="nets_of_mine.make:make")
    before = backbone.fingerprint()
    backbone.build(input_shape=(3, 8, 8), classes=5)  # imports more
    assert backbone.fingerprint() == before
    (root / name).write_text(FILES[name] + "\n# edited")
    is_read = name in READ and (not installed or name.startswith("nets_of_mine/"))
    assert (backbone.fingerprint() != before) == is_read
    for module in [module for module in sys.modules if module.endswith("_of_mine") or "_of_mine." in module]:
        monkeypatch.delitem(sys.modules, module)


def test_a_module_that_draws_as_it_is_imported_leaves_the_weights_as_the_seed_makes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is imported by the first of the builds alone."""
    (tmp_path / "drawing_net.py").write_text(
        "import torch\nNOISE = torch.rand(5)\ndef make(): return torch.nn.Linear(2, 2)"
    )
    monkeypatch.syspath_prepend(tmp_path)
    built = []
    for _ in range(2):
        torch.manual_seed(0)
        built.append(_build("drawing_net:make").get_parameter("weight"))
    assert torch.equal(*built)


def test_a_single_file_counts_with_the_files_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "single_net.py").write_text("from torch import nn\nimport its_blocks\ndef make(): return nn.ReLU()")
    (tmp_path / "its_blocks.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    backbone = Module(factory="single_net:make")
    before = backbone.fingerprint()
    (tmp_path / "its_blocks.py").write_text("WIDTH = 4")
    assert backbone.fingerprint() != before


def test_a_factory_without_a_file_is_refused() -> None:
    with pytest.raises(PluginError, match="source of the backbone's factory builtins:len cannot be read"):
        Module(factory="builtins:len").fingerprint()


def test_components_that_differ_are_not_equal() -> None:
    made = [Module(factory="a:b", args={"width": width}) for width in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert len(set(made)) == 2
