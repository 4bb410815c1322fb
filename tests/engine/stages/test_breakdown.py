"""What each sub-network and each layer costs alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from emopms.engine.results.breakdown import Breakdown
from emopms.engine.results.networks import FinetunedNetwork
from emopms.engine.session.scoring import Scorer

if TYPE_CHECKING:
    from emopms.engine.session.context import Context
    from emopms.engine.storage.artefact import Artefact


@pytest.fixture(scope="module")
def found(artefacts: dict[str, Artefact]) -> Breakdown:
    return Breakdown.load(artefacts["breakdown/macs-0.6"])


def test_each_sub_network_is_measured_alone(context: Context, artefacts: dict[str, Artefact], found: Breakdown) -> None:
    divided = context.constrained(artefacts["constrain"])
    genome = FinetunedNetwork.load(artefacts["finetune/macs-0.6"]).genome
    second = np.ones_like(genome)
    first, width = divided.parts[0].channels.genes, divided.parts[1].channels.genes
    second[first : first + width] = genome[first : first + width]
    scorer = Scorer(divided.whole, context.image_sets.ranking, context.device)
    dense, alone = scorer.score(np.stack([divided.whole.dense, second]))
    part = found.subnetworks[1]
    assert (part.name, part.channels, part.kept_channels) == ("2", width, second[first : first + width].sum())
    assert part.impairment == pytest.approx(alone.loss - dense.loss, abs=1e-5)
    assert part.accuracy_lost == pytest.approx(dense.accuracy - alone.accuracy)
    macs = divided.costs.macs(np.stack([divided.whole.dense, second]))
    assert part.saved_macs == macs[0] - macs[1]


def test_layers_account_for_all_macs(context: Context, artefacts: dict[str, Artefact], found: Breakdown) -> None:
    divided = context.constrained(artefacts["constrain"])
    genome = FinetunedNetwork.load(artefacts["finetune/macs-0.6"]).genome
    assert sum(layer.macs for layer in found.layers) == divided.costs.macs(divided.whole.dense[None])[0]
    assert sum(layer.kept_macs for layer in found.layers) == divided.costs.macs(genome[None])[0]
    assert [layer.subnetwork for layer in found.layers] == sorted(layer.subnetwork for layer in found.layers)


def test_layers_with_channels_of_their_own_are_measured_alone(found: Breakdown) -> None:
    for layer in found.layers:
        if layer.kept_channels == layer.channels:
            assert layer.impairment is None or layer.impairment == pytest.approx(0, abs=1e-5)
    assert sum(layer.impairment is not None for layer in found.layers) == 3
