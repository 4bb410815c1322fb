"""The names that `emopms.network` itself has."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import emopms.network


@pytest.mark.parametrize("name", emopms.network.__all__)
def test_every_public_name_is_the_one_of_its_module(name: str) -> None:
    value = getattr(emopms.network, name)
    home = import_module(f"emopms.network.{emopms.network._HOME[name]}")
    assert getattr(home, name) is value
    if name.isupper():  # a constant does not know its module
        return
    assert (value.__name__, value.__module__) == (name, home.__name__)


def test_names_and_homes_agree() -> None:
    assert sorted(emopms.network._HOME) == sorted(emopms.network.__all__)
    assert set(emopms.network.__all__) <= set(dir(emopms.network))
    with pytest.raises(AttributeError, match="'no_such_name'"):
        emopms.network.no_such_name  # noqa: B018


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, emopms.network; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
