"""The dense network on test images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emopms.engine.results.exported import ModelFigures
from emopms.engine.results.networks import DenseNetwork
from emopms.engine.session.scoring import score
from emopms.network.costs.cost_model import count

if TYPE_CHECKING:
    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


def test_figures_are_those_of_the_pretrained_network(context: Context, artefacts: dict[str, Artefact]) -> None:
    figures = ModelFigures.load(artefacts["dense"])
    network = context.network(DenseNetwork.load(artefacts["pretrain"]).state)
    measured = score(network, context.image_sets.test, context.device, exact=True)
    assert figures.loss == pytest.approx(measured.loss, rel=1e-5)
    assert figures.accuracy == measured.accuracy
    counted = count(network, context.example)
    assert (figures.macs, figures.params) == (counted.macs, counted.params)
