"""A finished run in one's hand."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import torch

import emopms
from emopms.engine.results.schemes import MeasuredSchemes
from emopms.errors import StoreError
from emopms.network.costs.cost_model import count
from tests.engine.conftest import tiny
from tests.engine.contexts import artefacts_of

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.engine.storage.artefact import Artefact


@pytest.fixture(scope="module")
def measured(finished: emopms.Result) -> MeasuredSchemes:
    artefacts: dict[str, Artefact] = artefacts_of(finished)
    return MeasuredSchemes.load(artefacts["measure"])


def test_it_is_the_same_when_it_is_opened_again(finished: emopms.Result) -> None:
    again = emopms.Result(str(finished.folder))
    assert again.summary == finished.summary
    assert list(again.front) == list(finished.front)
    assert again.spec.name == "tiny"


def test_figures_that_somebody_changed_are_not_read(finished: emopms.Result, tmp_path: Path) -> None:
    run = shutil.copytree(finished.folder, tmp_path / "run")
    table = run / "front.csv"
    table.write_text(table.read_text().replace("0.", "9."))
    assert list(emopms.Result(run).front) == list(finished.front)
    again = emopms.run(tiny(), run_dir=run, device="cpu")
    assert table.read_bytes() == (finished.folder / "front.csv").read_bytes()
    assert (run / "front.csv.kept").exists()
    written = again.folder / "result.json"
    written.write_text(written.read_text().replace("0.", "9."))
    with pytest.raises(StoreError, match=r"result\.json was changed") as caught:
        emopms.Result(run)
    assert "emopms run" in caught.value.remedy
    assert emopms.run(tiny(), run_dir=run, device="cpu").summary["models"] == finished.summary["models"]


def test_the_front_holds_the_measured_schemes_and_the_models(
    finished: emopms.Result, measured: MeasuredSchemes
) -> None:
    (model,) = finished.summary["models"]
    point = finished.front[model["scheme"]]
    assert point.models == ("macs-0.6",)
    assert point.costs["macs"] == model["macs"]
    assert finished.front.dense.scheme == measured.dense
    for scheme in range(measured.dense):
        if measured.on_front[scheme]:
            assert finished.front[scheme].measured_loss == pytest.approx(measured.loss[scheme], rel=1e-12)
            assert finished.front.genome(scheme).tolist() == measured.genomes[scheme].tolist()


def test_a_scheme_is_made_and_measured_again(finished: emopms.Result) -> None:
    point = finished.front.knee
    network = finished.model(point.scheme)
    assert not network.training
    assert count(network, torch.zeros(2, 1, 8, 8)).macs == point.costs["macs"]
    found = finished.evaluate(point.scheme)
    assert (found.macs, found.params) == (point.costs["macs"], point.costs["params"])
    assert abs(found.loss - point.measured_loss) < 0.3, "the same network, but batch norm of all training images"
    with pytest.raises(KeyError, match="no scheme 999"):
        finished.model(999)


def test_models_are_loaded_when_they_are_asked_for(finished: emopms.Result) -> None:
    assert list(finished.models) == ["macs-0.6"]
    network, images = finished.models["macs-0.6"], torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(network(images), emopms.load(finished.folder / "models" / "macs-0.6")(images))
    with pytest.raises(KeyError):
        finished.models["macs-0.1"]


def test_it_shows_itself(finished: emopms.Result) -> None:
    assert repr(finished).splitlines()[1].startswith("  macs-0.6: accuracy ")
    assert "<table>" in finished._repr_html_()


def test_other_folders(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no finished run"):
        emopms.Result(tmp_path)


def test_a_run_that_is_not_finished(run: Path) -> None:
    (run / "result.json").unlink()
    with pytest.raises(StoreError, match=r"is not finished\.\nThe same `emopms run` continues it"):
        emopms.Result(run)


def test_a_changed_table(run: Path) -> None:
    (run / "front.npz").write_bytes(b"no arrays")
    with pytest.raises(StoreError, match=r"front\.npz was changed"):
        emopms.Result(run)
