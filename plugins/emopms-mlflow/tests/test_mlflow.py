"""The figures that MLflow holds are those of the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from emopms_mlflow.tracker import MLflow

import emopms
from emopms.engine.pipeline.tracking import figures_in_result
from emopms.testing import TrackerConformance
from emopms.testing.tracker import SMALL_SPEC, made_up_run


@pytest.fixture(autouse=True)
def _local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "")  # so that what the tracker sets goes after the test
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")


class TestMLflow(TrackerConformance):
    component = MLflow()


def test_a_run_that_ends_early_is_marked(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    tracking = MLflow().begin(made_up_run(tmp_path))
    tracking.log({"pretrain/accuracy": 0.5})
    tracking.close()
    client = MlflowClient()
    experiment = client.get_experiment_by_name("emopms")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "KILLED"
    assert run.data.params["targets.0.macs"] == "0.5"
    assert run.data.params["note"] == "x" * 500


@pytest.mark.parametrize("uri", ["", "elsewhere"])
def test_without_a_server_a_folder_holds_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    MLflow(uri=uri).begin(made_up_run(tmp_path)).close()
    assert any((tmp_path / (uri or "mlruns")).iterdir())


def test_a_database_needs_the_whole_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emopms_mlflow.tracker.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install mlflow"):
        MLflow(uri=f"sqlite:///{tmp_path}/runs.db").begin(made_up_run(tmp_path))


@pytest.mark.slow
def test_what_is_read_back_equals_result_json(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    result = emopms.run(SMALL_SPEC | {"trackers": ["mlflow"]}, run_dir=tmp_path / "run", device="cpu")
    client = MlflowClient()
    experiment = client.get_experiment_by_name("emopms")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "tracked")
    assert run.data.metrics.items() >= figures_in_result(result.summary).items()
    assert run.data.params["algorithm.pop_size"] == "6"
    history = client.get_metric_history(run.info.run_id, "evolve/1/hypervolume")
    assert [metric.step for metric in history] == sorted(metric.step for metric in history)
    assert len(history) == 3
    weights = client.download_artifacts(run.info.run_id, "models/macs-0.7/model.safetensors", str(tmp_path))
    assert Path(weights).read_bytes() == (result.folder / "models" / "macs-0.7" / "model.safetensors").read_bytes()
    names = {artefact.path for artefact in client.list_artifacts(run.info.run_id)}
    assert {"result.json", "report.html", "front.csv", "front.json", "spec.resolved.yaml", "models"} <= names
