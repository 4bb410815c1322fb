"""The tracker ``mlflow``: runs of an MLflow experiment."""

from __future__ import annotations

import json
import os
import re
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from emopms.api import TrackedResult, TrackedRun, Tracker, Tracking, settings_by_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BATCH = 100
"""Largest number of parameters in one request to an MLflow server."""
_LONGEST = 500
"""Largest number of characters of a parameter, for old servers too."""


class MLflow(Tracker):
    """A run in an MLflow experiment. Each call of `emopms run` makes one.

    The settings of the spec are parameters, the figures of stages and models are metrics, and the published files are
    artefacts.
    """

    name: Literal["mlflow"] = "mlflow"
    uri: str = ""
    """Address of the tracking server, such as `http://localhost:5000`, or a local folder, such as `mlruns`. By default
    it is what the environment variable `MLFLOW_TRACKING_URI` says or, without this variable, the folder `mlruns`.
    Databases such as `sqlite:///runs.db` need the whole of MLflow (`pip install mlflow`)."""
    experiment: str = "emopms"
    """Name of the experiment, which is made if there is none."""
    models: bool = True
    """Whether the models are stored, too."""

    def begin(self, run: TrackedRun) -> Tracking:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        client = MlflowClient(_opened(self.uri or os.environ.get("MLFLOW_TRACKING_URI", "mlruns")))
        found = client.get_experiment_by_name(self.experiment)
        experiment = client.create_experiment(self.experiment) if found is None else found.experiment_id
        tags = {"emopms.run_dir": str(run.folder), "emopms.machine": json.dumps(run.facts, ensure_ascii=False)}
        begun = client.create_run(experiment, run_name=run.name, tags=tags)
        params = [Param(_setting(path), value[:_LONGEST]) for path, value in settings_by_path(run.spec).items()]
        for start in range(0, len(params), _BATCH):
            client.log_batch(begun.info.run_id, params=params[start : start + _BATCH])
        return _Run(client, begun.info.run_id, run.folder, models=self.models)


def _opened(uri: str) -> str:
    """Return the address of a store, and allow MLflow to use it if it is a folder: newer versions refuse folders unless
    this is said.

    Raises:
        ImportError: It is a database, and the packages for databases are not installed.
    """
    scheme = uri.partition(":")[0] if "://" in uri or uri.startswith("file:") else ""
    if scheme.partition("+")[0] in ("sqlite", "mysql", "postgresql", "mssql") and not find_spec("sqlalchemy"):
        raise ImportError(f"{uri} is a database, which mlflow-skinny cannot use: pip install mlflow")
    if scheme in ("", "file"):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return uri if scheme else Path(uri).absolute().as_uri()


class _Run(Tracking):
    def __init__(self, client: Any, run: str, folder: Path, *, models: bool) -> None:
        self._client, self._run, self._folder, self._models = client, run, folder, models
        self._status = "KILLED"

    def log(self, figures: Mapping[str, float], *, step: int | None = None) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(_name(name), value, now, step or 0) for name, value in figures.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def finish(self, result: TrackedResult) -> None:
        self.log(result.figures)
        self._client.log_dict(self._run, _columns(result.front), "front.json")
        for path in result.files:
            place = path.relative_to(self._folder).parent.as_posix()
            if self._models or not place.startswith("models"):
                self._client.log_artifact(self._run, str(path), None if place == "." else place)
        self._status = "FINISHED"

    def close(self) -> None:
        self._client.set_terminated(self._run, self._status)


def _name(name: str) -> str:
    """Return a name with the characters that MLflow allows."""
    return re.sub(r"[^\w./ -]", "_", name)


def _setting(path: str) -> str:
    """Return the name of a parameter, such as ``targets.0.macs`` for ``targets[0].macs``."""
    return _name(path.replace("[", ".").replace("]", ""))


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return the front in the form that MLflow shows as a table."""
    return {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}
