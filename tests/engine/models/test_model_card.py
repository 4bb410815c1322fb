from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

import yaml
from hypothesis import given
from hypothesis import strategies as st

from emopms.engine.models.model_card import model_card
from emopms.engine.results.exported import ExportedModel, ModelFigures

FIGURES: dict[str, Any] = {
    "loss": 0.1,
    "balanced_accuracy": 0.9,
    "recall": [0.9],
    "macs": 9,
    "params": 9,
    "not_counted": (),
}
HUB = re.compile(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))")
"""How the Hugging Face hub finds the metadata of a card."""


def metadata(name: str, backbone: str, data: str, target: str, quality: str = "accuracy") -> dict[str, Any]:
    """The metadata of a card with these names, as a hub reads them."""
    spec = SimpleNamespace(
        name=name, data=SimpleNamespace(name=data), backbone=SimpleNamespace(name=backbone, names_code=False)
    )
    architecture = {
        "backbone": {"name": backbone},
        "emopms": "0.1.0",
        "input": {"shape": [1, 8, 8], "mean": [0.5], "std": [0.5]},
        "classes": ["a"],
    }
    costs = {"macs": 9.0, "params": 9.0}
    model = ExportedModel(
        **FIGURES,
        accuracy=0.987654321,
        target=target,
        accuracy_before_finetune=0.5,
        epoch=1,
        meets_target=True,
        costs=costs,
        dense_costs=costs,
    )
    dense = ModelFigures(**FIGURES, accuracy=0.99)
    card = model_card(cast("Any", spec), architecture, model, dense, ["README.md"], quality=quality)
    found = HUB.match(card)
    assert found is not None
    assert card[found.end() :].startswith(f"\n# {name}, {target}\n")
    read: dict[str, Any] = yaml.safe_load(found[2])
    return read


def test_metadata_are_those_that_hubs_read() -> None:
    assert metadata("quickstart", "small_resnet", "digits", "macs-0.5") == {
        "library_name": "emopms",
        "pipeline_tag": "image-classification",
        "tags": ["pytorch", "pruning", "small_resnet"],
        "metrics": ["accuracy"],
        "model-index": [
            {
                "name": "quickstart, macs-0.5",
                "results": [
                    {
                        "task": {"type": "image-classification", "name": "Image Classification"},
                        "dataset": {"type": "digits", "name": "digits", "split": "test"},
                        "metrics": [{"type": "accuracy", "value": 0.987654321, "name": "accuracy on test images"}],
                    }
                ],
            }
        ],
    }


def test_agreement_is_not_called_accuracy() -> None:
    read = metadata("a", "b", "c", "d", quality="agreement")
    (result,) = read["model-index"][0]["results"]
    assert (read["metrics"], result["metrics"][0]["type"]) == (["agreement"], "agreement")


NAMES = st.text() | st.sampled_from(
    ["1e-3", "no", "~", "---", "a\n---\nb", "x: y", "- x", "# x", "a" * 300, "{", "'", '"']
)


@given(NAMES, NAMES, NAMES, NAMES)
def test_any_names_are_read_back(name: str, backbone: str, data: str, target: str) -> None:
    read = metadata(name, backbone, data, target)
    (index,) = read["model-index"]
    assert index["name"] == f"{name}, {target}"
    assert read["tags"] == ["pytorch", "pruning", backbone]
    assert index["results"][0]["dataset"] == {"type": data, "name": data, "split": "test"}
