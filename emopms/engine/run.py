"""``emopms.run``: runs the whole method, from a spec to a run directory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from loguru import logger

from emopms.engine.finished.result import Result
from emopms.engine.images.image_counts import describe_counts, image_counts
from emopms.engine.pipeline.code_changes import log_code_changes
from emopms.engine.pipeline.code_fingerprint import code_by_name
from emopms.engine.pipeline.picks import stages_of_picks
from emopms.engine.pipeline.plan import plan
from emopms.engine.pipeline.preflight import prepare, require_reachable_targets
from emopms.engine.pipeline.publish import publish
from emopms.engine.pipeline.run_directory import working_in
from emopms.engine.pipeline.runner import run_stages
from emopms.engine.pipeline.tracking import tracked
from emopms.engine.storage.outputs import Outputs
from emopms.engine.support.library_log import quiet_default_sink
from emopms.engine.support.paths import data_folder, run_folder
from emopms.network.runtime.device import Device
from emopms.spec import as_spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from emopms.engine.support.progress import Progress
    from emopms.errors import UnmetTargetError
    from emopms.spec import Spec


def run(
    spec: Spec | Mapping[str, Any] | str | PathLike[str],
    *,
    run_dir: str | PathLike[str] | None = None,
    data_root: str | PathLike[str] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    command: Sequence[str] | None = None,
) -> Result:
    """Prune a network as a spec describes. Stages that an earlier run completed in the same directory are not repeated.

    Args:
        spec: A spec, a mapping with its keys, or the path of its YAML file.
        run_dir: The directory that receives all results; by default ``runs/<name>`` below the current folder.
        data_root: The folder that relative paths in the spec start from; by default the folder that the environment
            variable ``EMOPMS_DATA`` names, and without this variable the folder of the spec.
        device: ``auto`` (CUDA if it is available), ``cpu`` or ``cuda``.
        progress: Receives the progress of the run; by default nothing is shown.
        command: The command line that the manifest records; by default ``sys.argv``.

    Returns:
        The finished run: its front, its models, and the content of its ``result.json``.

    Raises:
        SpecError: The spec is wrong, or does not fit its network or data.
        UnmetTargetError: No scheme meets a target. The models of the other targets are made first.
        EmopmsError: The run cannot continue. Completed stages stay in the store.
    """
    quiet_default_sink()
    spec = as_spec(spec)
    folder = run_folder(spec, run_dir)
    with working_in(folder, seed=spec.seed, progress=progress) as (store, kept):
        logger.debug("run of {!r} begins", spec.name)
        prepared = prepare(
            spec,
            folder=data_folder(spec, data_root),
            device=Device.choose(device),
            progress=kept,
        )
        require_reachable_targets(spec, prepared.dense, prepared.floor, prepared.floor_without_limits)
        context, fingerprint = prepared.context, prepared.fingerprint
        logger.info("{}", describe_counts(image_counts(spec.data, context.source)))
        planned = plan(spec, points=context.split_points, fingerprint=fingerprint, device=str(context.device))
        code = code_by_name(spec)
        log_code_changes(store, planned, code)
        keys = {step.stage.name: step.key for step in planned}
        keys |= stages_of_picks(folder, store, keys)
        store.write_plan(keys, code)
        with tracked(spec, folder, context.device) as trackers:
            unmet: list[UnmetTargetError] = []
            done = run_stages(planned, context, store, on_stage=trackers.stage, unmet=unmet)
            if len(unmet) == len(spec.targets):
                raise unmet[0]
            publish(prepared, done, folder=folder, command=command or sys.argv, plan=keys)
            result = Result(folder, spec=spec)
            trackers.finish(result.summary, result.front, Outputs(folder).paths())
        if unmet:  # the models of the other targets are there
            raise unmet[0]
    return result
