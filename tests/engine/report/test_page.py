"""The report is one file that loads nothing, whatever the names in it are."""

from __future__ import annotations

import json
import re

from emopms.engine.report.page import render
from tests.engine.report.stories import story

HOSTILE = "</script><script>alert(1)</script>&\"'"


def data(page: str) -> list[dict[str, object]]:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    stories: list[dict[str, object]] = json.loads(found)
    return stories


def test_the_data_are_those_of_the_stories() -> None:
    stories = [story("one"), story("two", points=5)]
    assert data(render(stories)) == json.loads(json.dumps([each.as_json() for each in stories]))


def test_nothing_is_loaded() -> None:
    page = render([story()])
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href)\s*=", page) == []
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}


def test_names_are_text() -> None:
    layers = [{"name": HOSTILE, "subnetwork": "1", "channels": 8}] * 3
    page = render([story(HOSTILE, layers=layers)])
    assert "<script>alert" not in page
    assert len(re.findall(r"<script\b", page)) == 2
    (found,) = data(page)
    assert found["name"] == HOSTILE


def test_the_same_stories_give_the_same_bytes() -> None:
    assert render([story()]) == render([story()])
