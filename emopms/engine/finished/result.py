"""The result of a run, as Python users hold it: its front, its models, and other networks of the same search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file

from emopms.engine.finished.opened import OpenedRun
from emopms.engine.models.load import WEIGHTS
from emopms.engine.pipeline.publish import RESULT, SPEC, Published
from emopms.engine.results.joint_front import GENOMES
from emopms.engine.session.scoring import score
from emopms.engine.storage.outputs import Outputs
from emopms.engine.storage.store import Store
from emopms.engine.support.progress import Silent
from emopms.engine.training.tuning import pruned
from emopms.errors import ShortHelp, StoreError, WeightsError, did_you_mean
from emopms.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from emopms.engine.results.joint_front import JointFront
    from emopms.spec import Spec


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A pruned network, measured on validation images after recalibration of batch norm and before fine-tuning."""

    loss: float
    """Mean cross-entropy."""
    accuracy: float
    """Share of correct answers, from 0 to 1."""
    macs: int
    """Multiply-accumulates for one image."""
    params: int
    """Number of parameters."""


class Result(metaclass=ShortHelp):
    """A finished run.

    Args:
        folder: The run directory.
        spec: The spec of the run, if it holds a network and datasets of this program; otherwise it is read.

    Raises:
        StoreError: The folder holds no finished run.
    """

    def __init__(self, folder: str | PathLike[str], *, spec: Spec | None = None) -> None:
        self._folder, self._held = Path(folder), spec
        published = Published.read(self._folder)
        if published is None:
            raise _missing(self._folder)
        self._published = published

    @property
    def folder(self) -> Path:
        """The run directory."""
        return self._folder

    @property
    def summary(self) -> dict[str, Any]:
        """The content of ``result.json``."""
        return dict(self._published.summary)

    @property
    def front(self) -> JointFront:
        """The measured schemes, cheapest first: the points of the front, and those of the models. ``front[17]`` is
        scheme 17, ``front.dense`` the network without pruning, ``front.knee`` the knee, and ``front.cheapest(0.9)`` the
        cheapest with that validation accuracy."""
        return self._published.front

    @property
    def widths(self) -> NDArray[np.int32]:
        """Output channels [schemes, layers] of each scheme, in the order of `front` and of ``summary["layers"]``."""
        return self._published.widths

    @property
    def spec(self) -> Spec:
        """The spec of the run, with all defaults."""
        return self._spec_with(())

    def _spec_with(self, overrides: Sequence[str]) -> Spec:
        """Return the spec of the run with other values, such as ``finetune.epochs=10``.

        Raises:
            SpecError: A value is wrong.
        """
        read = load_spec(self.folder / SPEC, overrides)
        if self._held is not None:  # a file does not hold its network and its datasets
            read = read.model_copy(update={key: getattr(self._held, key) for key in ("backbone", "data")})
        return read

    @property
    def models(self) -> Mapping[str, nn.Module]:
        """The fine-tuned models by name, such as ``macs-0.5``. Each is loaded when it is asked for, in eval mode."""
        return _Models(self)

    def model(self, scheme: int) -> nn.Module:
        """Return the network of a scheme on the CPU, in eval mode: pruned, and not fine-tuned.

        Batch norm is recalibrated on the training images. The data of the run must be at hand.

        Args:
            scheme: Number of the scheme in `front`.

        Raises:
            KeyError: The front has no such scheme.
            EmopmsError: The data or the stored results of the run are missing.
        """
        return self._recalibrated(scheme).cpu()

    def evaluate(self, scheme: int) -> Evaluation:
        """Measure the network of a scheme on validation images, after recalibration and before fine-tuning.

        Args:
            scheme: Number of the scheme in `front`.

        Raises:
            KeyError: The front has no such scheme.
            EmopmsError: The data or the stored results of the run are missing.
        """
        point, context = self.front[scheme], self._opened.context
        found = score(self._recalibrated(scheme), context.image_sets.validation, context.device)
        return Evaluation(
            loss=found.loss,
            accuracy=found.accuracy,
            macs=int(point.costs["macs"]),
            params=int(point.costs["params"]),
        )

    @cached_property
    def _opened(self) -> OpenedRun:
        return OpenedRun.open(self.folder, self.spec, data_root=None, device="auto", progress=Silent())

    def _recalibrated(self, scheme: int) -> nn.Module:
        genome, opened = self.front.genome(scheme), self._opened
        context = opened.context
        return pruned(context, context.constrained(opened.artefact("constrain")), genome).eval()

    def _again(self) -> Result:
        """Read the run anew, with all models that it has now."""
        return Result(self.folder, spec=self._held)

    def __repr__(self) -> str:
        dense, quality = self.summary["dense"], self.summary["quality"]
        lines = [f"{self.summary['name']}: {quality} {dense['accuracy']:.2%}, {dense['macs']:,} MACs, in {self.folder}"]
        for model in self.summary["models"]:
            share = model["macs"] / dense["macs"]
            lines.append(f"  {model['target']}: {quality} {model['accuracy']:.2%}, {share:.1%} of the MACs")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the models and the front as tables, for notebooks."""
        return f"<pre>{escape(repr(self))}</pre>{self.front._repr_html_()}"


def _missing(folder: Path) -> StoreError:
    """Return the error for a folder without a finished run."""
    if not _is_there(folder):
        usual = Path("runs") / folder.name
        remedy = f"Did you mean {usual}?" if usual.is_dir() else "`emopms runs` lists finished runs."
        return StoreError(f"There is no folder {folder}.", remedy=remedy)
    changed = Outputs(folder).changed((RESULT, GENOMES))
    if changed and (folder / changed).exists():
        return StoreError(f"{folder / changed} was changed.", remedy="The same `emopms run` writes it again.")
    if Store(folder / "store").is_marked():
        return StoreError(f"The run in {folder} is not finished.", remedy="The same `emopms run` continues it.")
    return StoreError(f"{folder} holds no finished run.", remedy="`emopms runs` lists finished runs.")


def _is_there(folder: Path) -> bool:
    """Return whether a folder exists.

    Raises:
        StoreError: This user may not look into it.
    """
    try:
        if folder.is_dir():
            next(folder.iterdir(), None)
        return folder.exists()
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}.", remedy="Check its permissions.") from error


class _Models(Mapping[str, "nn.Module"]):
    def __init__(self, result: Result) -> None:
        self._result = result
        self._paths = {model["target"]: result.folder / model["path"] for model in result.summary["models"]}

    def __getitem__(self, target: str) -> nn.Module:
        if target not in self._paths:
            raise KeyError(f"no model {target!r}. {did_you_mean(target, self._paths)}")
        path = self._paths[target] / WEIGHTS
        if Outputs(self._result.folder).changed((path.relative_to(self._result.folder).as_posix(),)):
            raise WeightsError(
                f"{path} is missing, or is not the file that was exported.",
                remedy="The same `emopms run` writes it again.",
            )
        state = load_file(path)
        return self._result._opened.context.network(state).cpu().eval()

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __repr__(self) -> str:
        return f"models {', '.join(self._paths)}"
