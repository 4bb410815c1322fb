"""The specs of the quality benchmark are valid, and those of one table compare on equal terms."""

from __future__ import annotations

from pathlib import Path

import pytest

import emopms
from benchmarks.quality.__main__ import page
from emopms.engine.comparison.compare import _require_comparable

DOCS = Path(__file__).parents[2] / "docs"
QUALITY = Path(__file__).parents[2] / "benchmarks" / "quality"
MAIN = QUALITY / "cifar10_resnet20.yaml"
ABLATIONS = sorted((QUALITY / "ablations").glob("*.yaml"))


@pytest.mark.parametrize("path", ABLATIONS, ids=lambda path: path.stem)
def test_ablations_compare_with_the_spec(path: Path) -> None:
    ablation = emopms.load_spec(path)
    assert ablation.name == f"ablation-{path.stem.replace('_', '-')}"
    assert not ablation.baselines
    _require_comparable([emopms.load_spec(MAIN), ablation])


@pytest.mark.parametrize("name", ["cifar10_resnet20", "fashion_mnist"])
def test_a_main_table_has_fifteen_comparators_and_whole_searches(name: str) -> None:
    main, *others = [emopms.load_spec(QUALITY / f"{name}{more}.yaml") for more in ("", "_random", "_whole")]
    assert len(main.baselines) >= 15
    assert [spec.name for spec in others] == [f"{main.name}-random", f"{main.name}-whole"]
    _require_comparable([main, *others])


@pytest.mark.slow
def test_the_page_is_made_of_the_rows() -> None:
    text, pictures = page()
    assert (DOCS / "quality.md").read_text(encoding="utf-8") == text
    assert pictures
    assert all((DOCS / name).exists() for name in pictures)
