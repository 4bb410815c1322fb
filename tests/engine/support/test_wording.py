"""Parts of sentences agree in number, and say which way a figure went."""

from __future__ import annotations

import pytest

from emopms.engine.support.wording import compared, counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 generations"), (1, "1 generation"), (2, "2 generations"), (1200, "1,200 generations")]
)
def test_nouns_agree_with_their_number(number: int, text: str) -> None:
    assert counted(number, "generation") == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.9117, "1.17 points above it"), (0.888, "1.20 points below it"), (0.90004, "the same as it")],
)
def test_a_share_is_above_below_or_the_same(share: float, text: str) -> None:
    assert compared(share, 0.9, "it") == text
