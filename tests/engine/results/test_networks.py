"""State dicts of networks and criteria: their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from emopms.engine.results.networks import CriteriaState, DenseNetwork, FinetunedNetwork
from emopms.engine.results.score import Score
from emopms.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from emopms.engine.storage.artefact import Artefact, Workspace


def _state(seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return dict(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).state_dict())


def _assert_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
        assert found[name].dtype == tensor.dtype


def test_a_dense_network_comes_back_from_its_files(out: Workspace, stored: Callable[[], Artefact]) -> None:
    DenseNetwork(_state(0), Score(loss=0.25, accuracy=0.9)).save(out)
    artefact = stored()
    assert artefact.files == ["network.safetensors", "score.json"]
    found = DenseNetwork.load(artefact)
    _assert_equal(found.state, _state(0))
    assert found.score == Score(loss=0.25, accuracy=0.9)
    assert found.given is None


def test_the_score_of_given_weights_is_stored_beside(out: Workspace, stored: Callable[[], Artefact]) -> None:
    given = Score(loss=0.5, accuracy=0.8)
    DenseNetwork(_state(0), Score(loss=0.25, accuracy=0.9), given).save(out)
    artefact = stored()
    assert artefact.files == ["given.json", "network.safetensors", "score.json"]
    assert DenseNetwork.load(artefact).given == given


def test_criteria_keep_the_file_name_of_version_0_1(out: Workspace, stored: Callable[[], Artefact]) -> None:
    CriteriaState(_state(1)).save(out)
    artefact = stored()
    assert artefact.files == ["judges.safetensors"]
    _assert_equal(CriteriaState.load(artefact).state, _state(1))


def test_criteria_without_parameters_have_an_empty_state(out: Workspace, stored: Callable[[], Artefact]) -> None:
    CriteriaState({}).save(out)
    assert CriteriaState.load(stored()).state == {}


def test_a_finetuned_network_comes_back_from_its_files(out: Workspace, stored: Callable[[], Artefact]) -> None:
    before, after = Score(loss=1.5, accuracy=0.5), Score(loss=0.5, accuracy=0.8)
    genome = np.array([True, False, True])
    FinetunedNetwork(_state(2), _state(3), genome, before, after, epoch=2, meets_target=False).save(out)
    artefact = stored()
    assert artefact.files == ["choice.json", "genome.npz", "network.safetensors", "recalibrated.safetensors"]
    found = FinetunedNetwork.load(artefact)
    _assert_equal(found.recalibrated, _state(2))
    _assert_equal(found.state, _state(3))
    np.testing.assert_array_equal(found.genome, genome)
    assert (found.before, found.after) == (before, after)
    assert (found.epoch, found.meets_target) == (2, False)


def test_a_file_that_changed_is_refused(out: Workspace, stored: Callable[[], Artefact]) -> None:
    DenseNetwork(_state(0), Score(loss=0.25, accuracy=0.9)).save(out)
    artefact = stored()
    (artefact.folder / "score.json").write_text('{"loss": 0.26, "accuracy": 0.9}')
    with pytest.raises(StoreError, match=r"score\.json"):
        DenseNetwork.load(artefact)
