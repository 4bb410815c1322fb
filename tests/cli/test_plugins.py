from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emopms import registry
from emopms.cli.plugins import KEYS_PAGE

from .conftest import COST

ROOT = Path(__file__).resolve().parents[2]

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Shown


def test_every_component_on_one_line_with_its_distribution(emopms: Callable[..., Shown]) -> None:
    shown = emopms("plugins")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert [line.split()[0] for line in lines] == [f"{s}/{n}" for s in registry.SLOTS for n in registry.names(s)]
    (macs,) = [line for line in lines if line.startswith("objective/macs ")]
    assert macs.split("  ")[0] == "objective/macs"
    assert " emopms" in macs
    assert macs.endswith("that the convolutions and linear layers of a candidate need for one image.")


def test_one_component_with_all_there_is_to_know(emopms: Callable[..., Shown], write: Callable[..., Path]) -> None:
    path = write(COST, "mine.py")
    shown = emopms("plugins", "objective/mine", "--plugins", path)
    assert shown == (
        0,
        f"objective/mine, from {path}\n"
        "\n"
        "Counts nothing.\n"
        "\n"
        "parameters\n"
        "  weight: number; default 1.5\n"
        "      How much of it.\n"
        "\n"
        "example\n"
        "  objectives:\n"
        "  - capability\n"
        "  - {name: mine, weight: 1.5}\n",
        "",
    )
    assert "objective/mine" in emopms("plugins", "--plugins", path).out
    assert "objective/mine" not in emopms("plugins").out


def test_every_component_can_be_explained(emopms: Callable[..., Shown]) -> None:
    for slot in registry.SLOTS:
        for name in registry.names(slot):
            shown = emopms("plugins", f"{slot}/{name}")
            assert shown.code == 0
            assert "\nexample\n" in shown.out


def test_what_cannot_be_used_is_listed_and_explained_with_the_reason(emopms: Callable[..., Shown], broken: str) -> None:
    shown = emopms("plugins")
    assert shown.code == 0
    (line,) = [line for line in shown.out.splitlines() if line.startswith("objective/broken ")]
    assert f"cannot be used: {broken}" in line
    assert "faulty_plugin 2.0 " in line
    shown = emopms("plugins", "objective/broken")
    assert (shown.code, shown.out) == (2, "")
    assert f"error: {broken}\n  Repair that distribution" in shown.err


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("objective/mcas", "There is no objective called 'mcas'.\n  Did you mean 'macs'?"),
        ("objektive/macs", "There is no slot 'objektive'.\n  Did you mean 'objective'?"),
        (
            "finetune",
            "There is no slot 'finetune'.\n  `finetune` is a key of a spec that holds no component: see docs/",
        ),
        ("pretrain/default", "There is no slot 'pretrain'.\n  `pretrain` is a key of a spec that holds no component: "),
        (
            "objectives/macs",
            "There is no slot 'objectives'.\n  The key `objectives` of a spec holds components of the s",
        ),
        ("objective", "Which objective?\n  Available: "),
        ("objective/", "Which objective?\n  Available: "),
        ("", "There is no slot ''.\n  Available: algorithm, "),
    ],
)
def test_what_is_no_component(emopms: Callable[..., Shown], argument: str, said: str) -> None:
    shown = emopms("plugins", argument)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.startswith(f"error: {said}")


@pytest.mark.parametrize("file", ["none.py", "/dev/zero", "", "."])
def test_what_is_no_file(emopms: Callable[..., Shown], file: str) -> None:
    shown = emopms("plugins", "--plugins", file)
    assert (shown.code, shown.out) == (2, "")
    assert "Name a Python file" in shown.err


def test_the_page_that_is_named_describes_the_keys() -> None:
    page, _, section = KEYS_PAGE.partition("#")
    text = (ROOT / page).read_text(encoding="utf-8")
    keys = text[text.index(f"## {section.replace('-', ' ').capitalize()}\n") :]
    for key in (
        "| `points` |",
        "### pretrain",
        "### genome",
        "| `prune_residual` |",
        "| `temperature` |",
        "| `alpha` |",
    ):
        assert f"\n{key}" in keys
