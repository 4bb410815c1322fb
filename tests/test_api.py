"""What the API's own classes do."""

from __future__ import annotations

import inspect
import pydoc
import re
import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mypy.api
import numpy as np
import pytest
from pydantic import ValidationError

import emopms
import emopms.api
from emopms.api import PruningTask, ScoredBaseline
from emopms.builtin.backbone.small_resnet import SmallResNet
from emopms.errors import SpecError
from emopms.network.inference import pool
from emopms.network.inference.activation_cache import ActivationCache
from emopms.spec import Target, as_spec
from emopms.testing.baseline import pruning_task
from emopms.testing.tiny import tiny

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("beside", [False, True])
def test_nothing_is_kept_for_inputs_that_are_brought_to_the_device_each_time(
    beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time they are other tensors, for which nothing could be found again, but would be held."""
    rooms: list[int] = []

    def chosen(*given: Any, **asked: Any) -> tuple[None, str]:
        rooms.extend(each.room for each in given if isinstance(each, ActivationCache))
        return None, ""

    monkeypatch.setattr(pool, "choose_evaluator", chosen)
    task = tiny().task(0)
    task = replace(task, labels=task.labels.to("meta")) if beside else task
    task.evaluator()
    assert (rooms == [0]) == beside


PLAIN = pydoc.plaintext  # type: ignore[attr-defined]
PUBLIC = [(module, name) for module in (emopms, emopms.api) for name in module.__all__]


@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=[f"{module.__name__}.{name}" for module, name in PUBLIC])
def test_help_fits_a_screen(module: ModuleType, name: str) -> None:
    thing = getattr(module, name)
    if not inspect.isclass(thing):
        return
    text = pydoc.render_doc(thing, renderer=PLAIN)
    assert len(text.splitlines()) <= {
        "Task": 90,
        "PruningTask": 160,
        "ChainStep": 70,
        "Site": 70,
        "ImageDataset": 70,
        "Source": 70,
    }.get(name, 60), "fields and all"
    assert (thing.__doc__ or "").splitlines()[0] in text
    assert "__pydantic_core_schema__" not in text


def test_help_of_a_component_shows_its_parameters_and_methods() -> None:
    text = pydoc.render_doc(emopms.api.TrainedSelector, renderer=PLAIN)
    assert "TrainedSelector(*, name, epochs=3, lr=0.01, batch_size=256)" in text
    assert "criterion(self, site: 'Site')" in text
    assert "model_dump" not in text


PAGES = "".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/python.md"))
SNIPPETS = re.findall(r"^```python\n((?:.*\n)*?)```$", PAGES, flags=re.MULTILINE)


@pytest.mark.slow
def test_the_snippets_of_the_pages_satisfy_a_strict_type_checker(tmp_path: Path) -> None:
    """As in a project of the user, without pydantic's plugin."""
    skipped = "torch,numpy,scipy,sklearn,pymoo,moocore,PIL,rich,safetensors,filelock"
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\nstrict = true\n[mypy-emopms.*]\nfollow_imports = silent\n"
        f"[mypy-{','.join(f'{name}.*' for name in skipped.split(','))}]\nfollow_imports = skip\n"
    )
    files = []
    for number, snippet in enumerate(snippet for snippet in SNIPPETS if "import emopms\n" in snippet):
        files.append(str(tmp_path / f"snippet_{number}.py"))
        Path(files[-1]).write_text(snippet)
    assert len(files) >= 2
    options = ["--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path / "cache")]
    out, err, code = mypy.api.run([*options, *files])
    assert (code, err) == (0, ""), out
    wrong = tmp_path / "wrong.py"
    (spec,) = (snippet for snippet in SNIPPETS if "emopms.Spec(" in snippet)
    wrong.write_text("import emopms\n" + spec.replace("version=1", "version=1, seed='1'"))
    assert "incompatible type" in mypy.api.run([*options, str(wrong)])[0]


BASE: dict[str, Any] = {
    "version": 1,
    "name": "in-python",
    "backbone": "small_resnet",
    "data": "digits",
    "targets": [{"macs": 0.5}],
}


@pytest.mark.parametrize(
    ("changes", "message", "remedy"),
    [
        ({"backbone": "small_resnt"}, "backbone: There is no backbone called", "Did you mean 'small_resnet'?"),
        ({"schems": 3}, "schems: there is no such key.", "Did you mean 'schemes'?"),
        ({"selector": {"name": "tail", "x": 1}}, "selector.x: there is no such key.", "Available: name."),
        (
            {"targets": [{"mac": 0.5}]},
            "targets[0].mac: 'mac' is no cost among the objectives of the spec.",
            "Did you mean 'macs'?",
        ),
        ({"targets": ()}, "targets: expected at least 1 item(s), got 0.", "such as `[{macs: 0.5}"),
        ({"seed": "1"}, "seed: expected a whole number, got the text '1'.", "Seed of all random choices."),
        ({"pretrain": {"epochs": -1}}, "pretrain.epochs: expected at least 0", "Number of passes"),
        ({"backbone": 3}, "backbone: expected the name of a component of the slot backbone.", "Write a bare name"),
        ({"algorithm": {"name": "nsga2", "pop_size": 2.5}}, "algorithm.pop_size: expected a whole", "Number of cand"),
    ],
)
def test_a_wrong_spec_in_python_is_explained_as_in_yaml(changes: dict[str, Any], message: str, remedy: str) -> None:
    with pytest.raises(SpecError) as caught:
        emopms.Spec(**BASE | changes)
    (problem,) = caught.value.problems
    assert f"{problem.dotted}: {problem.message}".startswith(message)
    assert remedy in problem.remedy
    assert (problem.file, problem.line) == ("", None)
    shown = "".join(traceback.format_exception(caught.value))
    assert message in shown
    assert remedy in shown, "a traceback shows the remedy, too"
    assert "pydantic" not in shown.partition("emopms.errors.SpecError")[2]
    assert "validation error for" not in shown


def test_all_problems_of_a_spec_in_python() -> None:
    with pytest.raises(SpecError) as caught:
        emopms.Spec(version=1, name="x", backbone="small_resnet", data="digit", targets=[], seed=-1)
    assert [problem.dotted for problem in caught.value.problems] == ["seed", "data", "targets"]
    assert "Did you mean 'digits'? Available: " in str(caught.value)
    with pytest.raises(SpecError, match="backbone: this key is required"):
        emopms.Spec(version=1, name="x")  # type: ignore[call-arg]


def test_a_component_in_python_names_the_parameter_that_was_meant() -> None:
    with pytest.raises(ValidationError) as caught:
        SmallResNet(width=(8, 8))  # type: ignore[call-arg]
    (note,) = caught.value.__notes__
    assert note.startswith("width: Did you mean 'widths'? Available: ")
    with pytest.raises(ValidationError) as caught:
        Target(macs=2.0)
    assert "as a fraction of the dense network's" in "\n".join(caught.value.__notes__)


def test_a_spec_in_each_form(tmp_path: Path) -> None:
    made = emopms.Spec(**BASE)
    (tmp_path / "spec.yaml").write_text(made.to_yaml())
    forms = (made, BASE, tmp_path / "spec.yaml", str(tmp_path / "spec.yaml"))
    assert all(as_spec(form) == made for form in forms)
    with pytest.raises(SpecError, match="schems"):
        as_spec({**BASE, "schems": 1})
    with pytest.raises(TypeError, match=r"expected an emopms.Spec, a mapping .* or the path .*; got 3"):
        as_spec(3)  # type: ignore[arg-type]


LIBRARY = """
import sys
import emopms
from loguru import logger
spec = dict(version=1, name="quiet", backbone={"name": "small_resnet", "widths": [8, 8]}, data="digits",
    split=["stage1"], pretrain={"epochs": 2, "lr": 0.1}, constraint="none", schemes=4, points=4, refine=0,
    algorithm={"name": "nsga2", "pop_size": 4, "generations": 2}, targets=[{"macs": 0.9}], finetune={"epochs": 0},
    export=["safetensors"])
result = emopms.run(spec, run_dir="run", device="cpu")
emopms.load(result.folder / "models" / "macs-0.9")
logger.debug("of the program")
"""


@pytest.mark.slow
def test_as_a_library_it_is_quiet(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIBRARY], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if " emopms." in line and ("DEBUG" in line or "INFO" in line)] == []
    assert any("of the program" in line for line in lines), "the lines of the program itself stay"
    assert done.stdout == ""
    assert "| DEBUG " in (tmp_path / "run" / "run.log").read_text()


def test_the_text_of_an_error_has_its_remedy() -> None:
    assert str(emopms.EmopmsError("wrong.", remedy="Right it.")) == "wrong.\nRight it."
    assert str(emopms.EmopmsError("wrong.")) == "wrong."


def test_the_text_of_a_spec_error_has_place_and_remedy(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(emopms.Spec(**BASE).to_yaml().replace("refine:", "refin:"))
    with pytest.raises(SpecError, match=r"spec\.yaml:\d+: refin: .*\n.*Did you mean 'refine'\?"):
        emopms.load_spec(tmp_path / "spec.yaml")


class _Scored(ScoredBaseline):
    """Gives one score to the first gene, and 1 to all others."""

    name: Literal["scored"] = "scored"
    first: Any = 0.0

    def scores(self, task: PruningTask) -> Any:
        if self.first is None:
            return np.ones(3)
        return np.where(np.arange(task.genes) == 0, self.first, 1.0)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (np.nan, r"scores returned nan for 1 of \d+ genes"),
        (-np.inf, r"scores returned -inf for 1 of"),
        (None, r"scores returned an array of shape \[3\] instead of"),
    ],
)
@pytest.mark.parametrize("allocation", ["uniform", "global"])
def test_scores_by_which_no_channel_can_be_ranked_are_refused(first: Any, said: str, allocation: Any) -> None:
    with pytest.raises(ValueError, match=said):
        _Scored(first=first, allocation=allocation).prune(pruning_task(tiny(points=()), {"macs": 0.7}))
    assert not _Scored(allocation="global").prune(pruning_task(tiny(points=()), {"macs": 0.7}))[0]
