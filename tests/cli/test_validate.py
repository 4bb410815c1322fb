from __future__ import annotations

from typing import TYPE_CHECKING

from .conftest import COST, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from .conftest import Shown


NOTE = (
    "Data, weights and split points are not checked here: `emopms plan` checks them. Images are decoded by "
    "`emopms run`, before it trains.\n"
)


def test_valid(emopms: Callable[..., Shown], write: Callable[..., Path]) -> None:
    path = write(SMALL)
    assert emopms("validate", path) == (0, f"{path}: valid\n{NOTE}", "")


def test_every_problem_at_once_with_line_caret_and_remedy(
    emopms: Callable[..., Shown], write: Callable[..., Path]
) -> None:
    path = write(SMALL + "selector: linear_prob\nseed: 1e-3\n")
    shown = emopms("validate", path)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err == (
        f"{path}:6:11: selector: There is no selector called 'linear_prob'.\n"
        "    selector: linear_prob\n"
        "              ^\n"
        "  Did you mean 'linear_probe'? Available: feature_mse, linear_probe, tail.\n"
        "\n"
        f"{path}:7:7: seed: expected a whole number, got the number 0.001.\n"
        "    seed: 1e-3\n"
        "          ^\n"
        "  Seed of all random choices.\n"
    )


def test_several_specs(emopms: Callable[..., Shown], write: Callable[..., Path], tmp_path: Path) -> None:
    good = write(SMALL, "good.yaml")
    wrong = write(SMALL + "seed: x\n", "wrong.yaml")
    also = write(SMALL + "schemes: x\n", "also.yaml")
    shown = emopms("validate", wrong, good, tmp_path / "none.yaml", also)
    assert shown.code == 2
    assert shown.out == f"{good}: valid\n{NOTE}"
    starts = [block.split(": ")[0] for block in shown.err.split("\n\n")]
    assert starts == [f"{wrong}:6:7", str(tmp_path / "none.yaml"), f"{also}:6:10"]


def test_set(emopms: Callable[..., Shown], write: Callable[..., Path]) -> None:
    path = write(SMALL + "seed: x\n")
    assert emopms("validate", path, "--set", "seed=3", "--set", "algorithm.pop_size=8").code == 0
    shown = emopms("validate", path, "--set", "seed=3", "--set", "algorithm.popsize=8")
    assert shown.code == 2
    assert shown.err.startswith(
        "--set:1:1: algorithm.popsize: there is no such key.\n"
        "    algorithm.popsize=8\n"
        "    ^\n"
        "  Did you mean 'pop_size'?"
    )


def test_problems_beyond_counting(emopms: Callable[..., Shown], write: Callable[..., Path]) -> None:
    path = write(SMALL + "".join(f"k{number}: 1\n" for number in range(150)))
    shown = emopms("validate", path)
    assert shown.err.count("there is no such key.") == 100
    assert shown.err.endswith(f"{path}: there are 50 more problems.\n  Is this a spec?\n")


def test_wrong_items_do_not_make_a_list_too_short(emopms: Callable[..., Shown], write: Callable[..., Path]) -> None:
    shown = emopms("validate", write(SMALL.replace("0.5", "-0.5")))
    assert shown.err.count(": targets") == 1
    assert "targets[0].macs: expected more than 0, got the number -0.5." in shown.err


def test_a_plugin_file(emopms: Callable[..., Shown], write: Callable[..., Path]) -> None:
    write(COST, "mine.py")
    path = write(SMALL + "plugins: [mine.py]\nobjectives: [capability, {name: mine, weight: 2}]\n")
    assert emopms("validate", path).code == 0
    path = write(SMALL + "plugins: [mine.py]\nobjectives: [capability, {name: mine, wieght: 2}]\n")
    assert "Did you mean 'weight'? Available: name, weight." in emopms("validate", path).err


def test_a_broken_distribution_costs_nothing_until_it_is_named(
    emopms: Callable[..., Shown], write: Callable[..., Path], broken: str
) -> None:
    assert emopms("validate", write(SMALL)).code == 0
    shown = emopms("validate", write(SMALL + "objectives: [capability, broken]\n"))
    assert shown.code == 2
    assert f"objectives[1]: {broken}" in shown.err
    assert "Repair that distribution, or uninstall it: pip uninstall faulty_plugin" in shown.err


def test_two_distributions_that_claim_one_name(
    emopms: Callable[..., Shown], write: Callable[..., Path], broken: str, tmp_path: Path
) -> None:
    info = tmp_path / "site" / "other-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[emopms.objective]\nbroken = other:Broken\n")
    shown = emopms("validate", write(SMALL + "objectives: [capability, broken]\n"))
    assert shown.code == 2
    assert "faulty_plugin 2.0 (faulty_plugin:Broken)" in shown.err
    assert "other 1.0 (other:Broken)" in shown.err


def test_data_and_network_are_not_looked_at(
    emopms: Callable[..., Shown], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOPMS_DATA", "/nowhere")
    spec = SMALL.replace("digits", "{name: idx, root: not-there}") + "split: [not_there]\n"
    assert emopms("validate", write(spec)).code == 0


def weights(path: str) -> str:
    return SMALL.replace("small_resnet", f"{{name: small_resnet, weights: {path}}}")


def test_weights_that_do_not_exist(
    emopms: Callable[..., Shown], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write(weights("/nowhere/w.safetensors"))
    shown = emopms("validate", path)
    assert (shown.code, shown.out) == (2, "")
    assert f"{path}:3:41: backbone.weights: there is no file /nowhere/w.safetensors." in shown.err
    monkeypatch.setenv("EMOPMS_DATA", str(tmp_path))
    shown = emopms("validate", write(weights("w.safetensors")))
    assert shown.code == 2
    assert f"there is no file {tmp_path / 'w.safetensors'}.\n" in shown.err
    assert "EMOPMS_DATA" in shown.err
    (tmp_path / "w.safetensors").touch()
    assert emopms("validate", write(weights("w.safetensors"))).code == 0


def test_weights_whose_folder_the_run_may_still_choose(
    emopms: Callable[..., Shown], write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EMOPMS_DATA", raising=False)
    assert emopms("validate", write(weights("w.safetensors"))).code == 0


def test_a_name_where_a_number_belongs_hints_at_the_key_for_names(
    emopms: Callable[..., Shown], write: Callable[..., Path]
) -> None:
    data = "data: {name: image_folder, root: birds, validation: val, calibration: many}"
    shown = emopms("validate", write(SMALL.replace("data: digits", data)))
    assert shown.code == 2
    assert "data.validation: expected a whole number, got the text 'val'." in shown.err
    assert shown.err.count("For a name, use `") == 1
    assert "all of these are used. For a name, use `validation_folder`.\n" in shown.err
