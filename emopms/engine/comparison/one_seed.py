"""Computes the results of one spec with one seed for a comparison, in a separate run directory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from emopms.api import ConstraintTraining
from emopms.engine.comparison.methods import latency_stage
from emopms.engine.comparison.row import Row
from emopms.engine.pipeline.plan import plan, with_keys
from emopms.engine.pipeline.preflight import prepare, require_reachable_targets
from emopms.engine.pipeline.publish import publish
from emopms.engine.pipeline.run_directory import working_in
from emopms.engine.pipeline.runner import run_stages
from emopms.engine.results.choice import Choice
from emopms.engine.results.exported import ExportedModel, ModelFigures
from emopms.engine.results.latency import Latency
from emopms.engine.results.networks import DenseNetwork, FinetunedNetwork
from emopms.engine.results.search_summary import SearchSummary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from emopms.api import Baseline, Folder
    from emopms.engine.comparison.methods import RowStages
    from emopms.engine.pipeline.runner import Done
    from emopms.engine.stages.base import Stage
    from emopms.engine.support.progress import Progress
    from emopms.network.runtime.device import Device
    from emopms.spec import Spec, Target


class OneSeed:
    """Runs a spec with one seed, and then lets baselines (other pruning methods) prune the same pretrained network.

    Args:
        spec: The spec with the seed.
        folder: The run directory. It gets the same files as a run directory of ``emopms run``.
        data: The folder that relative paths in the spec start from.
        device: The device.
        progress: Receives the progress.
        command: The command line that the manifest records.
    """

    def __init__(
        self,
        spec: Spec,
        folder: Path,
        *,
        data: Folder,
        device: Device,
        progress: Progress,
        command: Sequence[str],
    ) -> None:
        self.spec, self._folder = spec, folder
        self._data, self._device, self._progress, self._command = data, device, progress, command
        self._done: dict[str, Done] = {}
        self.fresh = False
        """Whether at least one stage of the latest row had to run; false if all stages were loaded from the store."""

    @contextmanager
    def opened(self, more: Sequence[Stage], other: OneSeed | None) -> Iterator[None]:
        """Run the stages of the spec. While the ``with`` statement runs, `search_rows` and `baseline_row` can be
        called.

        Args:
            more: The stages of all baselines and targets. `baseline_row` runs them later.
            other: An earlier spec with the same seed; None if there is none. Its stored pretrained network is copied if
                it has the same key as the pretrained network of this spec.
        """
        with working_in(self._folder, seed=self.spec.seed, progress=self._progress) as (self._store, kept):
            prepared = prepare(self.spec, folder=self._data, device=self._device, progress=kept)
            require_reachable_targets(self.spec, prepared.dense, prepared.floor, prepared.floor_without_limits)
            self._context, fingerprint = prepared.context, prepared.fingerprint
            planned = plan(
                self.spec,
                points=self._context.split_points,
                fingerprint=fingerprint,
                device=str(self._context.device),
            )
            name, device = self.spec.name, str(self._device)
            self._latencies = [
                latency_stage(name, target, tuned_by=f"finetune/{target.slug}", device=device)
                for target in self.spec.targets
            ]
            more = [*self._latencies, *more]
            of_rows = with_keys(more, seed=self.spec.seed, fingerprint=fingerprint, earlier=planned)
            self._of_rows = {step.stage.name: step for step in of_rows}
            self._store.write_plan({step.stage.name: step.key for step in (*planned, *of_rows)})
            if other is not None:
                self._take_pretrained(planned[0].key, other)
            self._done = run_stages(planned, self._context, self._store, last=False)
            self._searched_anew = not all(stage.cached for stage in self._done.values())
            yield
            keys = {name: stage.artefact.meta["key"] for name, stage in self._done.items()}
            publish(prepared, self._done, folder=self._folder, command=self._command, plan=keys)

    def _take_pretrained(self, key: str, other: OneSeed) -> None:
        """Copy the stored pretrained network of another spec, if it is stored under the key ``key``."""
        theirs = other._done["pretrain"].artefact
        if theirs.meta["key"] == key and self._store.find("pretrain", key).artefact is None:
            workspace = self._store.begin("pretrain", key)
            DenseNetwork.load(theirs).save(workspace)
            workspace.complete({name: theirs.meta[name] for name in ("version", "seconds", "provenance")})

    def search_rows(self) -> Iterator[Row]:
        """Yield, for each target, the row with the figures of the network that the spec's search found."""
        done = self._done
        searches = [stage for name, stage in done.items() if name.startswith("evolve/") or name == "refine"]
        of_models = ("finetune/", "breakdown/", "export/", "aim/")
        outside = [name for name in done if name in ("pretrain", "dense") or name.startswith(of_models)]
        constraint = self.spec.constraint
        prepared = constraint.epochs if isinstance(constraint, ConstraintTraining) else 0
        for target, latency in zip(self.spec.targets, self._latencies, strict=True):
            self.fresh = self._complete([latency]) or self._searched_anew
            aims = [done[name] for name in (f"aim/{target.slug}",) if name in done]
            own = [*(stage for name, stage in done.items() if name not in outside), *aims]
            yield self._row(
                self.spec.name,
                None,
                ExportedModel.load(done[f"export/{target.slug}"].artefact),
                tuned=done[f"finetune/{target.slug}"],
                latency=self._done[latency.name],
                search_seconds=sum(stage.seconds for stage in own),
                searches_seconds=sum(stage.seconds for stage in [*searches, *aims]),
                evaluations=sum(SearchSummary.load(stage.artefact).evaluations for stage in [*searches, *aims]),
                prepared_epochs=prepared,
            )

    def baseline_row(self, label: str, baseline: Baseline, target: Target, stages: RowStages) -> Row:
        """Complete the stages of a baseline for one target, and return the row with the figures of the pruned
        network."""
        self.fresh = self._complete(stages.all)
        choose, tune, assess, latency = (self._done[stage.name] for stage in stages.all)
        return self._row(
            label,
            baseline.model_dump(mode="json"),
            ExportedModel.load(assess.artefact),
            tuned=tune,
            latency=latency,
            search_seconds=choose.seconds,
            searches_seconds=choose.seconds,
            evaluations=Choice.load(choose.artefact).evaluations,
            prepared_epochs=0,
        )

    def _complete(self, stages: Sequence[Stage]) -> bool:
        """Complete stages of a row, and return whether at least one of them had to run."""
        planned = [self._of_rows[stage.name] for stage in stages]
        self._done = run_stages(planned, self._context, self._store, earlier=self._done, last=False)
        return not all(self._done[stage.name].cached for stage in stages)

    def _row(
        self,
        method: str,
        baseline: Mapping[str, object] | None,
        model: ExportedModel,
        *,
        tuned: Done,
        latency: Done,
        search_seconds: float,
        searches_seconds: float,
        evaluations: int,
        prepared_epochs: int,
    ) -> Row:
        dense = ModelFigures.load(self._done["dense"].artefact)
        network, times = FinetunedNetwork.load(tuned.artefact), Latency.load(latency.artefact)
        return Row(
            method=method,
            baseline=baseline,
            target=model.target,
            seed=self.spec.seed,
            macs=model.macs,
            params=model.params,
            macs_share=model.macs / dense.macs,
            params_share=model.params / dense.params,
            dense_accuracy=dense.accuracy,
            accuracy_before=model.accuracy_before_finetune,
            accuracy=model.accuracy,
            validation_before=network.before.accuracy,
            validation=network.after.accuracy,
            latency_ms=times.pruned_ms,
            dense_latency_ms=times.dense_ms,
            speedup=times.speedup,
            latency_batch=times.batch_size,
            search_seconds=round(search_seconds, 3),
            searches_seconds=round(searches_seconds, 3),
            tuning_seconds=tuned.seconds,
            evaluations=evaluations,
            training_epochs=self.spec.finetune.epochs + prepared_epochs,
            epoch=model.epoch,
        )
