"""Summaries of searches: their file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emopms.engine.results.search_summary import SearchSummary

if TYPE_CHECKING:
    from collections.abc import Callable

    from emopms.engine.storage.artefact import Artefact, Workspace


def test_a_search_summary_comes_back_from_its_file(out: Workspace, stored: Callable[[], Artefact]) -> None:
    summary = SearchSummary(
        evaluations=30, asked=33, generations=4, failed=1, first_failure="Δ is “nan”", history=[[30, 0.25]]
    )
    summary.save(out)
    artefact = stored()
    assert artefact.files == ["search.json"]
    assert SearchSummary.load(artefact) == summary
