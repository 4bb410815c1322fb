"""Conformance suite for exporters."""

from __future__ import annotations

from contextlib import chdir
from typing import TYPE_CHECKING, ClassVar

from emopms.api import PrunedModel
from emopms.network import fit_to, pruned_state, subnetworks_of
from emopms.testing.component import ComponentConformance
from emopms.testing.tiny import CLASSES, SHAPE, genomes_of, images, tiny_network
from emopms.testing.unchanged import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from emopms.api import Exporter


class ExporterConformance(ComponentConformance):
    """Conformance suite for an `Exporter`. The suite exports a small dense network and the same network pruned."""

    slot: ClassVar[str] = "exporter"
    component: ClassVar[Exporter]

    def test_writes_into_its_folder_and_nowhere_else(self, tmp_path: Path) -> None:
        here, folder = tmp_path / "working-directory", tmp_path / "model"
        here.mkdir()
        with chdir(here):
            files = self._exported(_model(pruned=False), folder)
        assert files, "export wrote no file into the folder it was given."
        stray = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if folder not in path.parents)
        stray = [path for path in stray if path not in ("working-directory", "model")]
        assert not stray, f"export wrote outside of its folder: {', '.join(stray)}."
        empty = [name for name in files if not (folder / name).stat().st_size]
        assert not empty, f"export wrote empty files: {', '.join(empty)}."

    def test_the_same_files_come_out_each_time(self, tmp_path: Path) -> None:
        dense, pruned = (self._exported(_model(pruned=p), tmp_path / str(p)) for p in (False, True))
        assert dense == pruned, (
            f"export wrote the files {dense} for a network, and {pruned} for the same network pruned."
        )

    def test_leaves_the_network_alone(self, tmp_path: Path) -> None:
        model = _model(pruned=True)
        before, example = Snapshot(model.network), model.example.clone()
        self._exported(model, tmp_path / "model")
        assert not before.changes(), (
            f"export changed the network ({before.changes()}): other exporters use it afterwards."
        )
        assert model.example.equal(example), "export changed the example."

    def _exported(self, model: PrunedModel, folder: Path) -> list[str]:
        folder.mkdir()
        self.component.export(model, folder)
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _model(*, pruned: bool) -> PrunedModel:
    network, example = tiny_network(), images(2)
    if pruned:
        (sub,) = subnetworks_of(network, [], example)
        fit_to(network, pruned_state(network, [(sub.channels, genomes_of(sub, 2)[1])]))
    architecture = {"format": 1, "backbone": {"name": "tiny"}, "input": {"shape": list(SHAPE)}}
    return PrunedModel(network.eval(), example, {**architecture, "classes": [str(c) for c in range(CLASSES)]})
