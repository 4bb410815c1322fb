"""The picture of kept channels."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from emopms.engine.models.width_picture import width_picture

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_layers_are_wide() -> None:
    picture = ET.fromstring(width_picture([("stem", 8, 8), ("block.<1>&", 16, 4)]))
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert texts == ["stem", "8 of 8", "block.<1>&", "4 of 16"]
    widths = [float(bar.attrib["width"]) for bar in picture.iter(f"{SVG}rect") if "%" not in bar.attrib["width"]]
    assert widths == [150.0, 150.0, 300.0, 75.0], "the dense layer, and what is kept"


def test_a_network_without_layers_is_an_empty_picture() -> None:
    assert list(ET.fromstring(width_picture([])).iter(f"{SVG}text")) == []
